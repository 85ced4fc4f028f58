"""The author that asks a language model: what it is told, what becomes of its answers, and what hostile text does."""

import ast
import hashlib
from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hostile
from assembly.sources import NET, OTHER, fenced
from fakes.scripted_model import Answer, ScriptedModel
from fumehood import text
from fumehood.assembly.language import LanguageAuthor, TrainRoom
from fumehood.assembly.language.source import NoSourceError, taken
from fumehood.errors import LlmError, UnusableAnswerError
from fumehood.policy import load
from fumehood.records import Iteration, Phase, Plan
from fumehood_shared import caps
from fumehood_shared.messages import FailureKind, InputKind, Recipe, Task
from planning.histories import DIABETES, DIGITS, REVIEWS, failed, goal, kept, numbered, plan, weak
from quotations import ENDS, ORDER, marks, outside
from report.factories import settings

pytestmark = pytest.mark.unit

ROOM = TrainRoom(memory=6 * 2**30, cpus=8, wall_s=1800, device="cpu", seeds=3)


def author(*answers: Answer, source: str = NET, tell_names: bool = True) -> tuple[LanguageAuthor, ScriptedModel]:
    model = ScriptedModel(answers)
    made = LanguageAuthor(
        model, room=ROOM, sources=lambda _number: source, phase=lambda _history: Phase.ARCHITECTURE,
        tell_names=tell_names,
    )  # fmt: skip
    return made, model


def asked(plan_: Plan, history: Sequence[Iteration] = (), source: str = NET) -> str:
    """All that the model is told for ``plan_``."""
    made, model = author(fenced(OTHER), source=source)
    made.write(plan_, goal(), DIGITS, numbered(history))
    assert model.left == 0
    return model.told()


# ---- what becomes of answers -------------------------------------------------------------------------------------


def test_a_plan_with_a_configuration_needs_no_language_model() -> None:
    made, model = author()
    config = {"input_shape": [1, 8, 8], "num_outputs": 10, "layers": [{"type": "Flatten"}, {"type": "Linear"}]}
    written = made.write(plan().model_copy(update={"model_config_": config}), goal(), DIGITS, [])
    assert "class GeneratedModel" in written
    assert model.questions == []


@pytest.mark.parametrize(
    "reply",
    [
        fenced(NET),
        fenced(NET, "Here it is:\n\n", "\nI hope that it helps."),
        fenced(NET).replace("```", "~~~~"),
        f"```\npip install torch\n```\n{fenced(NET)}```text\nprints 1\n```",
        f"```python\n{NET}",
        NET,
        "```python\n" + "".join(f"    {line}" for line in NET.splitlines(keepends=True)) + "```",
        fenced(NET).replace("\n", "\r\n"),
    ],
    ids=["fence", "prose", "tildes", "largest block", "cut off fence", "no fence", "indented", "line ends"],
)
def test_the_source_is_found_in_an_answer(reply: str) -> None:
    assert ast.dump(ast.parse(taken(reply))) == ast.dump(ast.parse(NET))


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("", "no code"),
        ("I cannot do that.", "not Python"),
        (fenced("def build_model(:\n"), "line 1"),
        (fenced("import torch\n"), "neither build_model"),
        (fenced("class Net:\n    pass\n"), "neither build_model"),
        (fenced("from torch import nn\nclass A(nn.Module): ...\nclass B(A): ...\n"), "several models"),
        (fenced("x = 1\n" * 60_000 + NET), "at most 262,144"),
        (fenced(NET + "# \ud800\n"), "UTF-8"),
        (fenced(NET + "x = '\0'\n"), "null bytes"),
        (fenced(NET + "x = " + "(" * 5000 + ")" * 5000 + "\n"), "pars|nested|not Python"),
        (fenced(NET + "x = " + "-" * 50_000 + "1\n"), "pars|nested|not Python"),
    ],
    ids=["empty", "prose", "syntax", "no model", "no module", "two", "large", "surrogate", "null", "deep", "unary"],
)
def test_what_is_no_candidate_is_refused_with_the_reason(reply: str, why: str) -> None:
    with pytest.raises(NoSourceError, match=why):
        taken(reply)


@pytest.mark.parametrize(
    "source",
    [
        "from torch import nn\nclass Net(nn.Module): ...\n",
        "import torch\nclass Net(torch.nn.Module): ...\n",
        "from torch.nn import Module\nclass Net(Module): ...\n",
        "from torch import nn\nclass Block(nn.Module): ...\nclass Net(nn.Sequential): ...\nMODEL = 'Net'\n",
    ],
)
def test_a_module_class_will_do_where_there_is_no_build_model(source: str) -> None:
    assert taken(source) == source


PIECES = [
    "```",
    "```python\n",
    "~~~~",
    "\n",
    "    ",
    "\t",
    "class A(nn.Module):",
    "pass",
    "def build_model",
    "(a, b):",
    "\x00",
    "\ud800",
    "(" * 300,
    "-" * 9000,
    "'",
    '"""',
    "#",
    "\\",
    "import torch",
    "é",
    "\u2028",
    "\r",
    "\ufeff",
    "MODEL =",
]


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=20)), max_size=30).map("".join))
def test_whatever_an_answer_is_it_is_a_source_that_parses_or_a_reason_why_not(reply: str) -> None:
    found = ""
    with suppress(NoSourceError):
        found = taken(reply)
    ast.parse(found)
    assert len(found.encode()) <= caps.SOURCE_BYTES


def test_parsing_a_source_says_nothing_on_the_terminal(recwarn: pytest.WarningsRecorder) -> None:
    taken(fenced(NET + 'x = "\\d" is 1\n'))
    assert not recwarn.list


def test_a_source_is_looked_at_and_never_run(tmp_path) -> None:
    trap = f"open({str(tmp_path / 'ran')!r}, 'w')\n"
    assert taken(fenced(trap + NET)) == trap + NET
    assert not (tmp_path / "ran").exists()


def test_one_more_question_says_why_an_answer_is_no_source() -> None:
    made, model = author(fenced("def build_model(:\n"), fenced(NET))
    assert made.write(plan(), goal(), DIGITS, []) == NET
    first, second = model.questions
    assert second.messages[: len(first.messages)] == first.messages
    assert [message.role for message in second.messages[len(first.messages) :]] == ["assistant", "user"]
    assert "not Python" in second.messages[-1].content


def test_names_of_a_useless_answer_reach_the_terminal_short_and_plain() -> None:
    many = "".join(f"class N{n}(nn.Module): ...\n" for n in range(3000))
    made, _ = author(fenced(many), fenced(many))
    with pytest.raises(UnusableAnswerError) as caught:
        made.write(plan(), goal(), DIGITS, [])
    assert "several models (N0, N1, N2, N3, N4 ...)" in caught.value.what
    assert len(caught.value.what) < 500


def test_after_two_answers_without_a_source_the_author_gives_up() -> None:
    made, model = author("I will not.", "I will not.", fenced(NET))
    with pytest.raises(UnusableAnswerError, match="not Python"):
        made.write(plan(), goal(), DIGITS, [])
    assert len(model.questions) == 2


def test_a_long_useless_answer_is_not_sent_back_whole() -> None:
    made, model = author("no " * 3_000_000, fenced(NET))
    made.write(plan(), goal(), DIGITS, [])
    assert len(model.told()) < 50_000


def test_a_source_that_an_earlier_iteration_has_is_asked_for_once_more() -> None:
    tried = weak().model_copy(update={"source_digest": hashlib.sha256(NET.encode()).hexdigest()})
    made, model = author(fenced(NET), fenced(OTHER))
    assert made.write(plan(), goal(), DIGITS, numbered([kept(), tried])) == OTHER
    assert "source of iteration 2" in model.questions[-1].messages[-1].content
    made, _ = author(fenced(NET), fenced(NET))
    assert made.write(plan(), goal(), DIGITS, numbered([tried])) == NET


def test_a_model_that_does_not_answer_is_not_covered_up() -> None:
    made, _ = author(LlmError("nothing answers"))
    with pytest.raises(LlmError, match="nothing answers"):
        made.write(plan(), goal(), DIGITS, [])


# ---- what the model is told --------------------------------------------------------------------------------------


def test_the_contract_says_all_that_a_candidate_may_use() -> None:
    told = asked(plan(design="a deep one"))
    needed = ["build_model(input_shape, num_outputs)", "train(model, data, context)", "predict(model, inputs)"]
    needed += ["deadline_s", "6 GiB", "1800 s", "no network", "no pip", "scipy", "torchvision", "raw logits"]
    for words in [*needed, *Recipe.model_fields, "a deep one", "nothing that the file prints", "1 x 8 x 8"]:
        assert words in told, words


@pytest.mark.parametrize(("data", "words", "not_said"), [
    (REVIEWS, "vocab_size", "flip"), (DIABETES, "targets' own units", "raw logits"), (DIGITS, '"flip"', "vocab_size"),
])  # fmt: skip
def test_the_contract_fits_the_data(data, words: str, not_said: str) -> None:
    made, model = author(fenced(NET))
    made.write(plan(), goal(), data, [])
    assert words in model.told()
    assert not_said not in model.told()
    assert data.task in (Task.CLASSIFICATION, Task.REGRESSION)
    assert data.input_kind in InputKind


def test_a_fix_gets_source_failure_and_traceback_and_an_improvement_only_the_source() -> None:
    history = [failed(message="mat1 and mat2", traceback="Traceback: in forward\n  x = self.fc(x)")]
    told = asked(plan("fix", 1), history)
    for words in ("Repair iteration 1", "nn.Flatten()", "Kind: shape", "line 3", "mat1 and mat2", "x = self.fc(x)"):
        assert words in told
    told = asked(plan("improve", 1), [kept()])
    assert "nn.Flatten()" in told
    assert "failed" not in told.split("# What to write")[1]


def test_a_traceback_is_told_without_the_inner_frames_of_libraries_and_the_message_once() -> None:
    torch_frame = '  File "/opt/torch/module.py", line 1, in _call\n    return inner()\n'
    frames = f'{torch_frame}  File "model.py", line 18, in forward\n    return self.head(x)\n{torch_frame * 2}'
    last = '  File "/opt/torch/linear.py", line 9, in forward\n    return F.linear(x)\nRuntimeError: mat1 and mat2\n'
    said = asked(plan("fix", 1), [failed(message="mat1 and mat2", traceback=f"Traceback:\n{frames}{last}")])
    for piece in ("Traceback:", "self.head(x)", "F.linear(x)"):
        assert piece in said
    assert "inner()" not in said
    assert said.count("mat1 and mat2") == 1


def test_a_room_is_told_with_the_cores_that_there_are(tmp_path) -> None:
    limits = load("standard").train
    asked_for = settings(timeout_s=60, num_seeds=3)
    assert TrainRoom.of(asked_for, limits, cpus=2).lines() == [
        "CPU only, 2 cores; 6 GiB of memory; 60 s of wall time for building and training; 3 seeds share that.",
        "Set by the user for every recipe: epochs = 40.",
    ]
    assert "cores" not in TrainRoom.of(asked_for, limits).lines()[0]
    assert "1800 s" in TrainRoom.of(settings(timeout_s=None), limits).lines()[0]


def test_a_later_fix_is_told_what_its_predecessors_failed_with() -> None:
    told = asked(plan("fix", 2), [failed(message="first trouble"), failed("fix", 1, "second trouble")])
    assert "first trouble" in told
    assert "second trouble" in told


def test_words_of_a_predict_room_are_withheld_because_they_could_hold_validation_rows() -> None:
    history = [failed(message="row 0.123", traceback="secret rows", log="printed rows", in_predict_room=True)]
    told = asked(plan("fix", 1), history)
    assert "withheld" in told
    for words in ("0.123", "secret rows", "printed rows"):
        assert words not in told


def test_what_was_printed_is_told_where_there_is_no_traceback() -> None:
    history = [failed(message="killed", kind=FailureKind.OOM, log="epoch 3: 7 GB")]
    assert "epoch 3: 7 GB" in asked(plan("fix", 1), history)


def test_names_of_the_data_are_told_unless_that_is_forbidden() -> None:
    named = DIGITS.model_copy(update={"target": DIGITS.target.model_copy(update={"classes": ("benign", "ill")})})
    for allowed in (True, False):
        made, model = author(fenced(NET), tell_names=allowed)
        made.write(plan(), goal(), named, [])
        assert ("benign" in model.told()) is allowed


# ---- hostile text ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text_", [*hostile.ALL.values(), ENDS, f"{ORDER}\n" * 4000], ids=[*hostile.ALL, "ends", "long"]
)
def test_nothing_in_a_failure_a_source_a_plan_or_a_name_gets_out_of_its_quotation(text_: str) -> None:
    marked = f"{ORDER} {text_} {ORDER}"
    sent = marked.encode("utf-8", "replace").decode()  # what the wire lets through
    failure = failed(message=sent[:500], traceback=sent[-4000:], log=sent)
    classes = DIGITS.target.model_copy(update={"classes": (marked,)})
    data = DIGITS.model_copy(update={"spec": marked, "target": classes})
    made, model = author(fenced(OTHER), source=f'"""{marked}"""\n{NET}')
    made.write(plan("fix", 1, title="t"), goal(), data, numbered([failure]))
    told = model.told()
    assert ORDER in told
    assert ORDER not in outside(told)
    assert told.count("<untrusted-data") == told.count("</untrusted-data>") == told.count("\n</untrusted-data>\n")
    assert told.count("\n</candidate-source>\n") == told.count("</candidate-source>") == 1
    assert not marks(told)
    assert len(told) < 50_000


@pytest.mark.parametrize("text_", [*hostile.ALL.values(), ENDS], ids=[*hostile.ALL, "ends"])
def test_words_of_a_plan_stay_lines_of_their_own(text_: str) -> None:
    told = asked(plan(title=text_, design=text_))
    assert not marks(told)
    assert told.count("<untrusted-data") == told.count("</untrusted-data>")


def test_a_source_is_shown_as_it_is_but_for_marks() -> None:
    source = "def f(a: int) -> bool:\n\tif a < 3 and a > 1 or a<<2:\n        return a <= 2  # <b> <|x|> [INST]\n"
    shown = text.prompt_source(source)
    assert "if a < 3 and a > 1 or a<<2:" in shown
    assert "-> bool:" in shown
    assert "<b>" not in shown
    assert all(line.startswith("    ") for line in shown.split("\n")[1:-1] if line)
    assert len(text.prompt_source("x = 1\n" * caps.SOURCE_BYTES)) < 60_000
