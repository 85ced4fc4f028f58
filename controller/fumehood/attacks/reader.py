"""Can it hurt the reader of its output? Hostile files, numbers and words, read by what reads every room's output.

One train room leaves many folders of output, each hostile in one way; each is read as a room's own is. So result files
are attacked too, which in a room only the supervisor writes. Names with a slash, absolute ones and ``..`` are left to
the tests of ``sandbox.exchange``: no file system holds them.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from fumehood import rooms
from fumehood.attacks import candidates, deeds, probes, words
from fumehood.attacks.attack import Attack, Deed, Finding, Group
from fumehood.attacks.deeds import Aftermath
from fumehood.attacks.probes import Tried
from fumehood.attacks.stage import Stage
from fumehood.errors import EngineError
from fumehood.executors.local import job_fields
from fumehood.sandbox import exchange
from fumehood.sandbox.exchange import Rejected
from fumehood.sandbox.room import Room
from fumehood_shared import paths
from fumehood_shared.messages import Failure, FailureKind, PredictRequest, SeedSpec, TrainRequest

_SECONDS: Final = 60.0
_READ_S: Final = 10.0
_HOSTILE: Final = FailureKind.HOSTILE_OUTPUT


@dataclass(frozen=True)
class Tree(Attack):
    """A folder of output. The program defines ``arrange(folder)``, which changes an honest one: the weights that are
    handed over, or what lies in ``out``."""

    kinds: tuple[FailureKind, ...] = field(default=(_HOSTILE,), kw_only=True)
    """What the controller may make of it; empty where it is to be accepted."""
    words: str = field(default="", kw_only=True)
    """Part of the reason that must be given."""
    predicting: bool = field(default=False, kw_only=True)
    result: bool = field(default=False, kw_only=True)
    """Whether it is the result beside weights that is changed."""


def _tree(name: str, words: str, *kinds: FailureKind, predicting: bool = False, result: bool = False) -> Tree:
    kinds = kinds or (_HOSTILE,)
    expected = f"{' or '.join(kinds)}: {words or 'rejected'}"
    return Tree(name, Group.READER, expected, kinds=kinds, words=words, predicting=predicting, result=result)


_NOT_JSON: Final = "not strict JSON"
_NO_FILE: Final = "not a regular file"
_NAME: Final = "unexpected name"

TREES: Final = (
    *(_tree(name, _NO_FILE) for name in ("symlink", "directory")),
    _tree("hard-link", _NO_FILE, predicting=True),
    _tree("symlinked-directory", _NAME),
    *(_tree(name, "", _HOSTILE, FailureKind.INTERFACE) for name in ("fifo", "device", "unix-socket")),
    *(_tree(name, _NAME) for name in ("newline-name", "dash-name", "dotted-name", "long-name")),
    _tree("undecodable-name", "a name is not UTF-8"),
    *(_tree(name, _NAME) for name in ("escape-name", "extra-file", "extra-seed", "many-files")),
    _tree("missing-weights", "left no weights", FailureKind.INTERFACE),
    _tree("missing-result", "there is no result", result=True),
    _tree("sparse-weights", "does not end where its header says"),
    _tree("huge-json", "at most 4194304 agreed", result=True),
    _tree("deep-json", "too many values", result=True),
    *(_tree(name, _NOT_JSON, result=True) for name in ("duplicate-keys", "not-a-number", "huge-integer")),
    *(_tree(name, "does not fit JobReply", result=True)
      for name in ("overflowing-number", "unknown-field", "wrong-type")),
    _tree("lone-surrogate", "a message", result=True),
    _tree("other-job", "of another job", result=True),
    _tree("pickled-weights", "header of an impossible length"),
    _tree("object-array", "exactly", predicting=True),
    _tree("lying-header", "does not end where its header says"),
    _tree("hidden-bytes", "does not end where its header says"),
    _tree("endless-shape", "impossible shape"),
    _tree("overlapping-tensors", "overlapping tensors"),
    _tree("metadata", "has metadata"),
    _tree("long-header", "header of an impossible length"),
    *(_tree(name, "exactly", predicting=True) for name in ("too-many-rows", "too-few-columns")),
    *(_tree(name, "NaN or infinite", FailureKind.NON_FINITE, predicting=True)
      for name in ("nan-predictions", "infinite-predictions")),
    Tree("identical-predictions", Group.READER, "accepted", kinds=(), predicting=True),
)  # fmt: skip


def _is_never_torn(after: Aftermath) -> tuple[str, bool]:
    """The daemon is dead before anything is read: what it wrote is read as it is, or refused."""
    lived = "a daemon" in after.said
    refused = after.failure is not None and after.failure.kind in (_HOSTILE, FailureKind.INTERFACE)
    return f"{after.told}; {'the daemon was dead by then' if lived else 'no daemon'}", lived and (
        refused or after.failure is None
    )


SWAPPED: Final = Deed("swapped-file", Group.READER, "nobody is alive when it is read", judge=_is_never_torn)
WORDS: Final = Attack("hostile-words", Group.READER, "escaped in every report, log and table")
ATTACKS: Final[tuple[Attack, ...]] = (*TREES, SWAPPED, WORDS)


def findings(stage: Stage) -> Iterator[Finding]:
    """Every attack of this group, in the order of ``ATTACKS``."""
    yield from tree_findings(stage, stage.host.room("train", stage.executor.pool.data))
    yield from deeds.findings(stage, [SWAPPED])
    yield words.finding(stage, WORDS)


# ---- folders -------------------------------------------------------------------------------------------------------


def tree_findings(stage: Stage, room: Room, trees: Sequence[Tree] = TREES) -> Iterator[Finding]:
    """All folders that one ``room`` leaves, each read as its output is."""
    with room:
        request = deeds.train_request(stage, room, 1, _SECONDS)
        outcome = rooms.train(room, request, _leaving(stage, trees))
        if (failure := outcome.reports[0].failure) is not None:
            raise EngineError(f"the room with hostile output ended early: {failure.kind.value}: {failure.message}")
        heard = probes.heard(outcome.log)
        for tree in trees:
            yield _finding(stage, room, request, tree, heard.get(tree.name))


def _leaving(stage: Stage, trees: Sequence[Tree]) -> str:
    """The candidate that leaves them all."""
    rows, columns = _shape(stage)
    return candidates.leaving(
        {
            "PROGRAMS": {tree.name: tree.source for tree in trees},
            "PREDICTING": {tree.name for tree in trees if tree.predicting},
            "RESULTS": {tree.name for tree in trees if tree.result},
            "ROWS": rows,
            "COLUMNS": columns,
        }
    )


def _finding(stage: Stage, room: Room, request: TrainRequest, tree: Tree, told: Tried | None) -> Finding:
    began = time.monotonic()
    if told is None:
        seen, passed = "nothing was heard of it", False
    elif told.refused is not None:
        seen, passed = f"the room refuses it: {told.refused}", True
    else:
        failure = _failure(stage, room, request, tree)
        seen = f"{failure.kind.value}: {failure.message}" if failure else "accepted"
        as_expected = failure.kind in tree.kinds if failure else not tree.kinds
        passed = as_expected and tree.words in seen and seen.isprintable()
    if (took := time.monotonic() - began) > _READ_S:
        seen, passed = f"{seen}; reading it took {took:.0f} s", False
    return Finding(name=tree.name, group=tree.group, expected=tree.expected, seen=seen, passed=passed)


def _failure(stage: Stage, room: Room, request: TrainRequest, tree: Tree) -> Failure | None:
    """What the controller makes of a folder."""
    folder = f"{paths.EXCHANGE}/trees/{tree.name}"
    if not tree.predicting:
        outcome = rooms.read_training(room, request, f"{folder}/out")
        (handed,) = rooms.handed_over(room, 1, f"{folder}/handover")
        return outcome.reports[0].failure or (handed if isinstance(handed, Failure) else None)
    file = Path(mkdtemp(dir=stage.folder)) / "received"
    outcome = rooms.read_predicting(room, _predicting(stage, room), [file], f"{folder}/out")
    if (failure := outcome.reports[0].failure) is not None:
        return failure
    try:
        exchange.read_predictions(file, *_shape(stage))
    except Rejected as error:
        return Failure(kind=FailureKind.NON_FINITE, message=str(error))
    return None


def _predicting(stage: Stage, room: Room) -> PredictRequest:
    """The request that the folders with predictions answer."""
    dataset = stage.laboratory.dataset
    return PredictRequest(
        **job_fields(dataset, (SeedSpec(seed=0, order=0),), "cpu", room.cage.threads),
        inputs=dataset.arrays["validation_inputs"],
        deadline_s=_SECONDS,
    )


def _shape(stage: Stage) -> tuple[int, int]:
    """Rows and columns of predictions."""
    dataset = stage.laboratory.dataset
    return dataset.rows("validation"), dataset.num_outputs
