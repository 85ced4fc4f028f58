"""The record of a run: JSON lines, each chained to the one before by its hash, on disk before the next step begins.

A step is finished exactly when its line is complete. A last line without its end is a step that was not, and is cut off
on opening. Everything else that is shown of a run is derived from here (``fold``); nothing is read back from reports.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from pydantic import ValidationError

from fumehood.errors import UsageError
from fumehood.records import (
    Dataset,
    Decision,
    Envelope,
    Goal,
    ImageFact,
    Iteration,
    Plan,
    Record,
    Run,
    RunSettings,
    Score,
    Sealed,
    StopReason,
    Verdict,
)

SCHEMA = 1
_GENESIS = "0" * 64
_R = TypeVar("_R", bound=Record)


class Entry(Record):
    """One line. ``hash`` is the SHA-256 of the line's other fields as canonical JSON, the previous hash included."""

    number: int
    at: str
    kind: str
    body: dict[str, Any]
    previous: str
    hash: str


class Journal:
    """Append-only; a context manager that closes the file."""

    def __init__(self, path: Path) -> None:
        """Open or create; verifies the whole chain and cuts off an unfinished last line.

        Raises UsageError naming the line that was changed, cut or put elsewhere.
        """
        self.entries = read(path) if path.exists() else []
        if path.exists():
            _cut_unfinished(path)
        self._file = path.open("ab")
        _sync(path.parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, kind: str, **body: Record | str | float | Mapping[str, Any] | None) -> Entry:
        """Write one entry; it is on disk when this returns."""
        previous = self.entries[-1].hash if self.entries else _GENESIS
        plain = {
            name: value.model_dump(mode="json") if isinstance(value, Record) else value for name, value in body.items()
        }
        fields = {
            "number": len(self.entries) + 1,
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "kind": kind,
            "body": plain,
            "previous": previous,
        }
        entry = Entry(**fields, hash=_hash(fields))
        self._file.write(_canonical(entry.model_dump()).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self.entries.append(entry)
        return entry


def read(path: Path) -> list[Entry]:
    """All complete entries, with their chain verified. Raises UsageError naming the first line that is wrong."""
    entries: list[Entry] = []
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], start=1):
        try:
            entry = Entry.model_validate_json(line)
        except ValidationError as error:
            raise _broken(path, number, "is not a journal entry") from error
        fields = entry.model_dump(exclude={"hash"})
        if entry.number != number or entry.previous != (entries[-1].hash if entries else _GENESIS):
            raise _broken(path, number, "does not follow from the line before it")
        if _hash(fields) != entry.hash or _canonical(entry.model_dump()).encode() != line:
            raise _broken(path, number, "was changed after it was written")
        entries.append(entry)
    return entries


def _broken(path: Path, number: int, what: str) -> UsageError:
    return UsageError(f"line {number} of {path.name} {what}", "the journal was altered; take it from a backup")


def _sync(folder: Path) -> None:
    """A new file survives a power cut only once its folder is on disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _cut_unfinished(path: Path) -> None:
    content = path.read_bytes()
    end = content.rfind(b"\n") + 1
    if end < len(content):
        os.truncate(path, end)


def _hash(fields: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical(fields).encode()).hexdigest()


def _canonical(fields: Mapping[str, Any]) -> str:
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


# ---- from entries to a run ---------------------------------------------------------------------------------------


class Pending(Record):
    """How far the iteration goes that was begun last and not decided."""

    number: int
    plan: Plan
    source_digest: str
    envelope: Envelope | None = None


class State(Record):
    """A run as far as its journal goes: what reports show, and what is needed to go on."""

    run: Run
    policy: dict[str, Any]
    pending: Pending | None = None
    test_envelope: Envelope | None = None
    """Predictions on the sealed inputs are on disk; the labels were not used for them."""
    opening: int | None = None
    """The seal is open; only the score is missing if the run has no ``final``."""


def fold(entries: Iterable[Entry], state: State | None = None) -> State:
    """The state that the entries lead to, from ``state`` on, or from the start of a run if it is None.

    Raises UsageError for entries that do not make sense there.
    """
    try:
        for entry in entries:
            state = _started(entry) if state is None else _STEPS[entry.kind](state, entry)
    except (KeyError, ValidationError) as error:
        raise UsageError(
            f"the journal holds an entry that this version does not know ({type(error).__name__})",
            "use the version of fumehood that wrote it",
        ) from error
    if state is None:
        raise UsageError("the journal is empty: the run ended before it began", "start it again")
    return state


def _value(model: type[_R], plain: Mapping[str, Any]) -> _R:
    """A record as it was written; through JSON, because wire types take lists for tuples only there."""
    return model.model_validate_json(json.dumps(plain))


def _started(entry: Entry) -> State:
    body = entry.body
    run = Run(
        run_id=body["run_id"],
        started_at=entry.at,
        settings=_value(RunSettings, body["settings"]),
        versions=body["versions"],
    )
    return State(run=run, policy=body["policy"])


def _with_run(state: State, **changes: Any) -> State:
    return state.model_copy(update={"run": state.run.model_copy(update=changes)})


def _resumed(state: State, _: Entry) -> State:
    return _with_run(state, resumed=state.run.resumed + 1)


def _image(state: State, entry: Entry) -> State:
    return _with_run(state, image=_value(ImageFact, entry.body["sandbox"]))


def _prepared(state: State, entry: Entry) -> State:
    settings = state.run.settings.model_copy(update={"goal": _value(Goal, entry.body["goal"])})
    return _with_run(state, dataset=_value(Dataset, entry.body["dataset"]), settings=settings)


def _proposed(state: State, entry: Entry) -> State:
    return state.model_copy(update={"pending": _value(Pending, entry.body)})


def _evaluated(state: State, entry: Entry) -> State:
    if state.pending is None:
        raise KeyError(entry.kind)
    envelope = _value(Envelope, entry.body["envelope"])
    return state.model_copy(update={"pending": state.pending.model_copy(update={"envelope": envelope})})


def _decided(state: State, entry: Entry) -> State:
    pending = state.pending
    if pending is None or pending.envelope is None:
        raise KeyError(entry.kind)
    decision = _value(Decision, entry.body["decision"])
    score = entry.body["score"]
    iteration = Iteration(
        number=pending.number,
        plan=pending.plan,
        source_digest=pending.source_digest,
        envelope=pending.envelope,
        score=_value(Score, score) if score else None,
        decision=decision,
    )
    incumbent = pending.number if decision.verdict is Verdict.KEEP else state.run.incumbent
    iterations = (*state.run.iterations, iteration)
    state = _with_run(state, iterations=iterations, incumbent=incumbent, stopped_because=decision.stop)
    return state.model_copy(update={"pending": None})


def _exhausted(state: State, _: Entry) -> State:
    return _with_run(state, stopped_because=StopReason.EXHAUSTED)


def _test_predicted(state: State, entry: Entry) -> State:
    return state.model_copy(update={"test_envelope": _value(Envelope, entry.body["envelope"])})


def _seal_opened(state: State, entry: Entry) -> State:
    return state.model_copy(update={"opening": entry.body["opening"]})


def _measured(state: State, entry: Entry) -> State:
    return _with_run(state, final=_value(Sealed, entry.body["sealed"]))


def _finished(state: State, entry: Entry) -> State:
    return _with_run(state, finished_at=entry.at, goal_achieved=entry.body["goal_achieved"])


_STEPS = {
    "resumed": _resumed,
    "image": _image,
    "data_prepared": _prepared,
    "proposed": _proposed,
    "evaluated": _evaluated,
    "decided": _decided,
    "exhausted": _exhausted,
    "test_predicted": _test_predicted,
    "seal_opened": _seal_opened,
    "measured": _measured,
    "finished": _finished,
}
