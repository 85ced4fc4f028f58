"""What follows from the journal, made anew and compared: scores from predictions and labels, reports from the run.

The functions that make them were not written for values that no run has, and a journal of somebody else's may hold any:
whatever they raise then is told as a finding.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from tempfile import TemporaryDirectory
from typing import Any, Final

from fumehood import __version__, decision, report
from fumehood.audit.findings import Finding, Group, differs, not_checked, same, told
from fumehood.baselines import measuring
from fumehood.chain import Entry
from fumehood.errors import FumehoodError
from fumehood.evidence import Evidence, Split, Tried
from fumehood.journal import State, fold
from fumehood.records import Dataset, Envelope, Run, Score
from fumehood.tree import Missing, Tree, Unusable

_REPORT_BYTES: Final = 1024**3
_MOST_MEMORY: Final = 4 * 1024**3
_WRITERS: Final = ("jinja2", "matplotlib", "pydantic")
"""Libraries that the bytes of a report depend on."""
_HEAD: Final = re.compile(rb'"head": "([0-9a-f]{64})"')
_AGAIN: Final = "fumehood report DIR writes it again"


# ---- scores --------------------------------------------------------------------------------------------------------


def scores(state: State, folder: Path, trusted: Callable[[str], bool]) -> Iterator[Finding]:
    """``trusted``: whether every file that was checked and whose name begins so is what the journal says."""
    run = state.run
    for done in run.iterations:
        name = f"iteration {done.number}"
        if done.score is not None:
            where = f"iterations/{done.number:03d}/predictions"
            yield _score(run, folder, name, done.envelope, done.score, "validation", where, trusted)
    for one in run.remeasured:
        if one.score is not None:
            name, where = (
                f"iteration {one.iteration} on fresh seeds",
                f"iterations/{one.iteration:03d}/fresh/predictions",
            )
            yield _score(run, folder, name, one.envelope, one.score, "validation", where, trusted)
    if run.settled:
        yield _guarded(Group.SCORES, "winner", lambda: _winner(run))
    if run.final is not None and state.test_envelope is not None:
        where = "sealed/final/predictions"
        yield _score(run, folder, "sealed test", state.test_envelope, run.final.score, "test", where, trusted)
    yield from _baselines(state, folder, trusted)
    if run.finished_at is not None:
        yield _guarded(Group.SCORES, "goal met", lambda: _achieved(run))


def _baselines(state: State, folder: Path, trusted: Callable[[str], bool]) -> Iterator[Finding]:
    run = state.run
    if run.baselines is None:
        return
    for one in run.baselines.results:
        if one.score is not None:
            where, name = f"sealed/baselines/{one.name}/validation", f"baseline {one.name}"
            yield _score(run, folder, name, one.envelope("validation"), one.score, "validation", where, trusted)
    yield _guarded(Group.SCORES, "best baseline", lambda: _chosen(run))
    if run.baseline_final is not None:
        yield _sealed_baseline(state, folder, trusted)


def _sealed_baseline(state: State, folder: Path, trusted: Callable[[str], bool]) -> Finding:
    """Its score, and the comparison of the winner with it."""
    run, name, winner = state.run, "sealed test, baseline", state.test_envelope
    chosen = run.baselines.chosen() if run.baselines else None
    if run.dataset is None or chosen is None or winner is None or not trusted("sealed/"):
        return not_checked(Group.SCORES, name, "predictions or labels are not there, or not what the journal says")
    if _in_memory(run.dataset, winner) > _MOST_MEMORY:
        return not_checked(Group.SCORES, name, "its predictions and labels are too large to be scored here")
    evidence, known = Evidence(folder / "sealed", run.dataset), run.baseline_final

    def compare() -> Finding:
        tried, into = Tried(winner, folder / "sealed/final/predictions"), folder / "sealed/baselines"
        found = measuring.measured(chosen, tried, evidence, into, run.settings.design)
        if known is not None and _alike(found.model_dump(mode="json"), known.model_dump(mode="json")):
            return same(Group.SCORES, name)
        return differs(Group.SCORES, name, "does not follow from the predictions and the labels")

    return _guarded(Group.SCORES, name, compare)


def _chosen(run: Run) -> Finding:
    known = run.baselines
    expected = measuring.best(known.results) if known else None
    if known is None or expected == known.best:
        return same(Group.SCORES, "best baseline")
    return differs(Group.SCORES, "best baseline", f"the journal says {known.best}, and its scores say {expected}")


def _score(
    run: Run,
    folder: Path,
    name: str,
    envelope: Envelope,
    known: Score,
    split: Split,
    where: str,
    trusted: Callable[[str], bool],
) -> Finding:
    dataset = run.dataset
    if dataset is None or not (trusted("sealed/") and trusted(where)):
        return not_checked(Group.SCORES, name, "its predictions or labels are not there, or not what the journal says")
    if _in_memory(dataset, envelope) > _MOST_MEMORY:
        return not_checked(Group.SCORES, name, "its predictions and labels are too large to be scored here")
    evidence, design = Evidence(folder / "sealed", dataset), run.settings.design

    def compare() -> Finding:
        found = evidence.score(Tried(envelope, folder / where), split, design)
        if _alike(found.model_dump(mode="json"), known.model_dump(mode="json")):
            return same(Group.SCORES, name)
        return differs(Group.SCORES, name, "does not follow from the predictions and the labels")

    return _guarded(Group.SCORES, name, compare)


def _in_memory(dataset: Dataset, envelope: Envelope) -> int:
    """Bytes of labels and predictions, at most."""
    rows = max((spec.shape[0] for spec in dataset.arrays.values()), default=0)
    targets = sum(spec.nbytes for name, spec in dataset.arrays.items() if name.endswith("_targets"))
    return targets + 4 * rows * dataset.num_outputs * len(envelope.seeds)


def _winner(run: Run) -> Finding:
    expected = decision.winner(run.iterations, run.remeasured, run.settings.goal)
    if expected == run.winner and (run.final is None or run.final.iteration == run.winner):
        return same(Group.SCORES, "winner")
    measured = f", and measured iteration {run.final.iteration}" if run.final else ""
    what = f"the journal says iteration {run.winner}{measured}; by the scores it is {expected}"
    return differs(Group.SCORES, "winner", what)


def _achieved(run: Run) -> Finding:
    goal = run.settings.goal
    expected = decision.goal_achieved(run.final.score, goal) if run.final else None if goal.target is None else False
    if expected is run.goal_achieved:
        return same(Group.SCORES, "goal met")
    return differs(Group.SCORES, "goal met", f"the journal says {run.goal_achieved}, and its scores say {expected}")


def _alike(found: Any, known: Any) -> bool:
    """Equal, numbers to nine digits: libraries may sum in another order in their next version."""
    if isinstance(found, float) and isinstance(known, float | int):
        return math.isclose(found, known, rel_tol=1e-9, abs_tol=1e-12)
    if isinstance(found, Mapping) and isinstance(known, Mapping):
        return found.keys() == known.keys() and all(_alike(found[key], known[key]) for key in found)
    if isinstance(found, list) and isinstance(known, list):
        return len(found) == len(known) and all(map(_alike, found, known))
    return bool(found == known)


# ---- reports -------------------------------------------------------------------------------------------------------


def reports(entries: Sequence[Entry], tree: Tree) -> Iterator[Finding]:
    """Registry and reports tell the line that they were derived from; they are derived from it again."""
    try:
        head = _HEAD.search(tree.read("experiments/registry.json", _REPORT_BYTES))
    except Missing:
        yield from _missing(fold(entries).run)
        return
    except Unusable as error:
        yield differs(Group.REPORTS, "experiments/registry.json", str(error))
        return
    if head is None:
        yield not_checked(Group.REPORTS, "all", f"the registry does not say which line it was derived from; {_AGAIN}")
        return
    number = next((entry.number for entry in entries if entry.hash == head[1].decode()), None)
    if number is None:
        what = "was derived from a line that is not in the journal: that was cut at its end, or written anew"
        yield differs(Group.REPORTS, "experiments/registry.json", what)
        return
    run = fold(entries[:number]).run
    if number < len(entries):
        yield told(Group.REPORTS, "all", f"derived from line {number} of {len(entries)}; {_AGAIN}")
    if others := _other_versions(run):
        yield not_checked(Group.REPORTS, "all", f"the run was begun with other versions: {others}")
        return
    yield from _written_again(run, tree)


def _missing(run: Run) -> Iterator[Finding]:
    if run.finished_at is None:
        yield not_checked(Group.REPORTS, "all", "the run is not finished, and has none yet")
    else:
        yield differs(Group.REPORTS, "experiments/registry.json", f"is missing; {_AGAIN}")


def _other_versions(run: Run) -> str:
    here = {"fumehood": __version__, "python": python_version()} | {name: version(name) for name in _WRITERS}
    return ", ".join(
        f"{name} {run.versions.get(name, 'unknown')}, here {found}"
        for name, found in here.items()
        if run.versions.get(name) != found
    )


def _written_again(run: Run, tree: Tree) -> Iterator[Finding]:
    with TemporaryDirectory(prefix="fumehood-audit-") as scratch:
        try:
            report.write(run, Path(scratch))
        except Exception as error:  # noqa: BLE001  # see the top
            yield _impossible(Group.REPORTS, "all", error)
            return
        for path in sorted(path for path in Path(scratch).rglob("*") if path.is_file()):
            yield _as_written(tree, path.relative_to(scratch).as_posix(), path.read_bytes())


def _as_written(tree: Tree, name: str, expected: bytes) -> Finding:
    try:
        found = tree.read(name, _REPORT_BYTES)
    except Unusable as error:
        return differs(Group.REPORTS, name, f"{error}; {_AGAIN}")
    if found == expected:
        return same(Group.REPORTS, name)
    return differs(Group.REPORTS, name, f"is not what the journal gives; unless another version wrote it: {_AGAIN}")


def _guarded(group: Group, name: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except Exception as error:  # noqa: BLE001  # see the top
        return _impossible(group, name, error)


def _impossible(group: Group, name: str, error: Exception) -> Finding:
    why = error.what if isinstance(error, FumehoodError) else f"{type(error).__name__}: {error}"
    return differs(group, name, f"cannot be made from what the journal says: {why[:300]}")
