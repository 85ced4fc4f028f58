"""What checks found, one for every verdict, without a room; and candidates that each go one way in a real one."""

from fumehood.candidate import Candidate
from fumehood.literals import Flag
from fumehood.records import Goal, SeedResult
from fumehood.verdicts.checked import Checked, CheckVerdict, Rejection, Stopped, rejections
from fumehood_shared.messages import Failure, FailureKind
from report import factories

SOURCE = "import torch\n\n\ndef build_model(input_shape, num_outputs):\n    return 1 / 0\n"


def checked(**changes: object) -> Checked:
    """A candidate that passed."""
    found = Checked(
        verdict=CheckVerdict.PASSED,
        candidate=Candidate(path="models/a model.py", source=SOURCE),
        data="csv:penguins.csv#target=species",
        policy="ci",
        isolated=True,
        wall_s=12.3456,
        goal=Goal(text="pass the check", metric="accuracy", direction="max", target=0.9),
        image=factories.image(),
        dataset=factories.penguins(),
        prepared=factories.room("prepare", 0.4),
        envelope=factories.envelope(1, 3),
        score=factories.score(0.95, "validation"),
    )
    return found.model_copy(update=changes)


def failing(kind: FailureKind, message: str = "it went wrong", line: int | None = 5) -> Checked:
    failure = Failure(kind=kind, message=message, traceback=f"Traceback ...\n{message}", line=line)
    seeds = tuple(SeedResult(seed=k, failure=failure) for k in range(3))
    envelope = factories.envelope(1, 3).model_copy(update={"seeds": seeds, "log_tail": message})
    hostile = kind is FailureKind.HOSTILE_OUTPUT
    return checked(
        verdict=CheckVerdict.POLICY_VIOLATION if hostile else CheckVerdict.CANDIDATE_FAILED,
        score=None,
        envelope=envelope,
        rejections=rejections(envelope, checked().candidate),
    )


def stopped(verdict: CheckVerdict, kind: str) -> Checked:
    why = Stopped(kind=kind, message="it could not be done", hint="do something else")
    return checked(
        verdict=verdict, score=None, envelope=None, dataset=None, prepared=None, image=None, stopped=why,
        rejections=(Rejection(kind=kind, reason=why.message),),
    )  # fmt: skip


def lost_a_seed() -> Checked:
    envelope = factories.envelope(1, 3, lost=1)
    return checked(
        envelope=envelope,
        score=factories.score(0.95, "validation", failed=1),
        rejections=rejections(envelope, checked().candidate),
    )


ALL = {
    "passed": checked(),
    "passed with a flag": checked(flags=(Flag(kind="large_literals", reason="9.0 KB are literals", line=5),)),
    "passed without a minimum": checked(goal=None),
    "passed with a lost seed": lost_a_seed(),
    "passed on the sealed test": checked(score=factories.score(0.95, "test"), opening=3),
    "below": checked(
        verdict=CheckVerdict.BELOW_MINIMUM, rejections=(Rejection(kind="below_minimum", reason="0.8 and not 0.9"),)
    ),
    **{kind.value: failing(kind) for kind in FailureKind},
    "no line": failing(FailureKind.TIMEOUT, line=None),
    "budget": stopped(CheckVerdict.BUDGET, "budget"),
    "engine": stopped(CheckVerdict.ENGINE, "engine"),
    "disk": stopped(CheckVerdict.ENGINE, "storage"),
    "hostile data": stopped(CheckVerdict.POLICY_VIOLATION, "hostile_output"),
}

# ---- candidates for iris -------------------------------------------------------------------------------------------

LINEAR = """\
from torch import nn

RECIPE = {"epochs": 40, "lr": 0.05}


def build_model(input_shape, num_outputs):
    return nn.Linear(input_shape[0], num_outputs)
"""
SYNTAX = "import torch\n\ndef build_model(:\n"


def training(*lines: str) -> str:
    """A candidate whose own ``train`` runs ``lines``."""
    return LINEAR + "\n\ndef train(model, data, context):\n" + "".join(f"    {line}\n" for line in lines)


ENDLESS = training("while True:", "    pass")
MEMORY = training("kept = []", "while True:", "    kept.append(bytearray(b'x' * 2**24))")
FAILS_ONCE = training("if context.seed == 1:", "    raise ValueError('not with this seed')")
HOSTILE = training(
    "import os",
    "print('::set-output name=verdict::passed', '##[error]mine', '\\x1b[31m', flush=True)",
    "os.makedirs('/handover/seed-0')",
    "os.symlink('/etc/passwd', '/handover/seed-0/weights.safetensors')",
    """open('/exchange/out/seed-0/report.json', 'w').write('{"index": 0}')""",
    "os._exit(0)",
)
