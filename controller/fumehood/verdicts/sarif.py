"""The verdict as a SARIF 2.1.0 log (OASIS), as GitHub code scanning and other viewers of findings read it.

Every rejection is a result of a rule whose id is the rejection's kind and never changes. Where the check was stopped
before it could judge, there is no result but a notification, and ``executionSuccessful`` is false, so that a viewer
does not take an empty list for a clean candidate.
"""

import hashlib
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any, Final, NamedTuple, TextIO
from urllib.parse import quote

from fumehood import __version__
from fumehood.candidate import Candidate
from fumehood.text import json_document, plain, sarif_message
from fumehood.verdicts.checked import Checked, Rejection, Stopped

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ROOT = "%SRCROOT%"


class Rule(NamedTuple):
    id: str
    name: str
    short: str
    full: str
    level: str = "error"


RULES: Final = (
    Rule("syntax", "SyntaxError", "The candidate is not valid Python.",
         "The source could not be compiled, so nothing was built or trained."),
    Rule("import", "ImportFailure", "The candidate imports what is not there.",
         "Rooms hold the standard library, PyTorch, torchvision, NumPy, SciPy, safetensors and Pillow, nothing else."),
    Rule("interface", "WrongInterface", "The candidate does not define what a candidate has to.",
         "A candidate defines build_model(input_shape, num_outputs), or one torch.nn.Module class."),
    Rule("shape", "WrongShape", "The model does not fit the data.",
         "The model failed on inputs of the data's shape, or answered with outputs of another shape than agreed."),
    Rule("non_finite", "NonFiniteNumbers", "The candidate gave NaN or infinite numbers.",
         "Weights and predictions have to be finite."),
    Rule("oom", "OutOfMemory", "The candidate ran out of memory.",
         "Training or predicting needs more memory than the policy gives a room."),
    Rule("timeout", "OutOfTime", "The candidate ran out of time.",
         "Training or predicting did not end within the policy's time, or --timeout."),
    Rule("crashed", "Crash", "The candidate crashed.",
         "The candidate raised an exception, ended its own process, or was ended by a signal."),
    Rule("hostile_output", "HostileOutput", "The candidate's output broke the protocol.",
         "What came out of the room is not what was agreed: other files, other sizes, links, or bytes that lie."),
    Rule("below_minimum", "BelowMinimum", "The score does not reach the minimum.",
         "The confidence bound of the score, which doubt about seeds and examples is in, does not reach --min-score."),
    Rule("inconsistent", "InconsistentPredictions", "Equal rows got different predictions.",
         "A prediction may depend on its own row alone, not on the rows beside it, on their order or on chance."),
    Rule("unstable", "UnstablePredictions", "Predictions collapse where inputs change by next to nothing.",
         "So they do where known inputs are looked up in a table. A model predicts from what a row says."),
    Rule("large_literals", "LargeLiterals", "Much of the source is no code.",
         "Literals and comments take more than 8 KB, enough for a table of known answers. Judge on private data.",
         "note"),
)  # fmt: skip
"""Ids never change: viewers know a finding again by them."""

STOPS: Final = (
    Rule("engine", "NoFitEngine", "No engine or no image answers, or the engine cannot enforce the policy.",
         "Nothing was run that the policy could not confine; fumehood doctor says what is missing."),
    Rule("storage", "StorageRefused", "The system refused to read or write a file.",
         "The disk is full, or a folder may not be written."),
    Rule("budget", "OutOfBudget", "The budget was used up before the candidate could be judged.",
         "The time given by --budget-minutes ended first."),
    Rule("hostile_output", "HostilePreparation", "The room that read the data file broke the protocol.",
         "The data file is not to be trusted; the candidate was not tried."),
)  # fmt: skip
"""Why a check may end before it can judge."""

_INDEX: Final = {rule.id: index for index, rule in enumerate(RULES)}


def write(found: Checked, stream: TextIO) -> None:
    stream.write(json_document({"$schema": _SCHEMA, "version": "2.1.0", "runs": [_run(found)]}))


def _run(found: Checked) -> dict[str, Any]:
    where = _location(found.candidate)
    return {
        "tool": {"driver": _driver()},
        "automationDetails": {"id": f"fumehood-check/{quote(found.candidate.path)}/"},
        "invocations": [_invocation(found)],
        "artifacts": [_artifact(found.candidate, where)],
        "columnKind": "unicodeCodePoints",
        "results": [] if found.stopped else [_result(one, found.candidate, where) for one in _noted(found)],
        "properties": {"verdict": found.verdict.value, "data": plain(found.data), "policy": found.policy},
    }


def _driver() -> dict[str, Any]:
    return {
        "name": "fumehood",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": [_rule(rule) for rule in RULES],
        "notifications": [_rule(stop) for stop in STOPS],
    }


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": rule.name,
        "shortDescription": {"text": rule.short},
        "fullDescription": {"text": rule.full},
        "help": {"text": rule.full},
        "defaultConfiguration": {"level": rule.level},
    }


def _invocation(found: Checked) -> dict[str, Any]:
    """Whether the check itself ran to its end; a candidate that failed is a result of one that did."""
    told = [_notification(found.stopped)] if found.stopped else []
    return {
        "executionSuccessful": found.stopped is None,
        "exitCode": found.exit_code,
        "exitCodeDescription": found.verdict.value,
        "toolExecutionNotifications": told,
    }


def _notification(why: Stopped) -> dict[str, Any]:
    text = f"{why.message}; what to do: {why.hint}" if why.hint else why.message
    return {"level": "error", "message": {"text": sarif_message(text)}, "descriptor": {"id": why.kind}}


def _artifact(candidate: Candidate, where: dict[str, Any]) -> dict[str, Any]:
    return {
        "location": where,
        "length": len(candidate.content),
        "sourceLanguage": "python",
        "roles": ["analysisTarget"],
        "hashes": {"sha-256": candidate.digest},
    }


def _noted(found: Checked) -> Iterator[Rejection]:
    """Rejections, and flags in the same shape; their rules' levels tell them apart."""
    yield from found.rejections
    for flag in found.flags:
        yield Rejection(kind=flag.kind, reason=flag.reason, line=flag.line)


def _result(one: Rejection, candidate: Candidate, where: dict[str, Any]) -> dict[str, Any]:
    # GitHub shows no result without a line; where none is known, the first stands for the file.
    region = {"startLine": one.line or 1}
    return {
        "ruleId": one.kind,
        "ruleIndex": _INDEX[one.kind],
        "level": RULES[_INDEX[one.kind]].level,
        "message": {"text": sarif_message(_message(one))},
        "locations": [{"physicalLocation": {"artifactLocation": {**where, "index": 0}, "region": region}}],
        "partialFingerprints": {"fumehoodRejection/v1": _fingerprint(one, candidate)},
        "properties": {"seeds": list(one.seeds)},
    }


def _message(one: Rejection) -> str:
    who = f" (seed{'s' if len(one.seeds) > 1 else ''} {', '.join(map(str, one.seeds))})" if one.seeds else ""
    return f"{RULES[_INDEX[one.kind]].short} {one.reason}{who}"


def _fingerprint(one: Rejection, candidate: Candidate) -> str:
    """Stays the same where the line moves, and changes where its text does."""
    text = candidate.text_of(one.line).strip() if one.line else ""
    return hashlib.sha256(f"{one.kind}\n{text}".encode()).hexdigest()


def _location(candidate: Candidate) -> dict[str, Any]:
    """A URI relative to where the check ran, which in CI is the checkout; absolute for a file outside of it."""
    path = PurePath(candidate.path)
    return {"uri": path.as_uri()} if path.is_absolute() else {"uri": quote(path.as_posix()), "uriBaseId": _ROOT}
