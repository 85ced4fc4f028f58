"""The record of a run: JSON lines, each chained to the one before by its hash, on disk before the next step begins.

A step is finished exactly when its line is complete. A last line without its end is a step that was not, and is cut off
on opening. Everything else that is shown of a run is derived from here (``fold``); nothing is read back from reports.
"""

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from pydantic import Field, ValidationError

from fumehood import chain
from fumehood.chain import Break, Entry
from fumehood.errors import PolicyError, UsageError
from fumehood.history import longer
from fumehood.policy import Policy, explain
from fumehood.records import (
    Baselines,
    Call,
    Dataset,
    Decision,
    Envelope,
    Goal,
    ImageFact,
    Iteration,
    Plan,
    Record,
    Remeasured,
    RoomFacts,
    Run,
    RunSettings,
    Score,
    Sealed,
    SealedBaseline,
    StopReason,
    Verdict,
)
from fumehood.records.insight import Recollection, Remembered
from fumehood.signing import VARIABLE, SigningKey

_R = TypeVar("_R", bound=Record)


class Journal:
    """Append-only; a context manager that closes the file.

    Lines carry the time that the wall clock showed on opening, counted on by a clock that nobody sets: what lies
    between two lines of one process is time that passed.
    """

    def __init__(self, path: Path, key: SigningKey | None = None) -> None:
        """Open or create; verifies the whole chain and cuts off an unfinished last line.

        A new journal is signed where there is a ``key``; an old one stays as it began. Raises UsageError naming the
        line that was changed, cut or put elsewhere, and for a signed journal without its key.
        """
        self.state: State | None = None
        """What the lines lead to that were there on opening; None in a new journal."""
        self._last: Entry | None = None
        self._key = key
        if path.exists():
            for entry in lines(path, key):
                if self._last is None:
                    self._key = _key_of(entry, key)
                self.state = fold([entry], self.state)
                self._last = entry
            _cut_unfinished(path)
        self._opened, self._ticks = datetime.now(UTC), time.monotonic()
        self._written = self._ticks
        self._file = path.open("ab")
        _sync(path.parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def is_signed(self) -> bool:
        return self._key is not None

    def append(self, kind: str, **body: Record | str | float | Mapping[str, Any] | Sequence[int] | None) -> Entry:
        """Write one entry; it is on disk when this returns."""
        plain = {
            name: value.model_dump(mode="json") if isinstance(value, Record) else value for name, value in body.items()
        }
        if self._last is None and self._key:
            plain[chain.SIGNED_WITH] = self._key.name
        now = time.monotonic()
        entry = chain.follow(self._last, kind, plain, self._key, self._opened + timedelta(seconds=now - self._ticks))
        self._file.write(entry.line() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._last, self._written = entry, now
        return entry

    def idle_s(self) -> float:
        """Seconds since the last line of this process, or since it opened the journal."""
        return time.monotonic() - self._written


def lines(path: Path, key: SigningKey | None = None) -> Iterator[Entry]:
    """The complete entries, one after the other, with their chain verified.

    Raises UsageError at the first line that is wrong, naming it.
    """
    with path.open("rb") as file:
        complete = (line[:-1] for line in file if line.endswith(b"\n"))
        for found in chain.checked(complete, key):
            if isinstance(found, Break):
                raise UsageError(str(found), "the journal was altered; take it from a backup")
            yield found


def read(path: Path) -> list[Entry]:
    """All of them at once."""
    return list(lines(path))


def _key_of(first: Entry, key: SigningKey | None) -> SigningKey | None:
    """The key to go on with: a run is signed from its first line to its last, or not at all."""
    name = chain.signed_with(first)
    if name is None:
        return None
    if key is None or key.name != name:
        missing = f"{VARIABLE} is not set" if key is None else f"{VARIABLE} names another one"
        raise UsageError(
            f"the run was begun with the signing key {name}, and {missing}: it could only go on unsigned",
            f"set {VARIABLE} to the file of that key, or start a new run",
        )
    return key


def _sync(folder: Path) -> None:
    """A new file survives a power cut only once its folder is on disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _cut_unfinished(path: Path) -> None:
    end = 0
    with path.open("rb") as file:
        for line in file:
            end += len(line) if line.endswith(b"\n") else 0
    if end < path.stat().st_size:
        os.truncate(path, end)


# ---- from entries to a run ---------------------------------------------------------------------------------------


class Pending(Record):
    """How far an iteration goes that was begun and not decided."""

    number: int
    plan: Plan
    source_digest: str
    files: dict[str, str] = Field(default={})
    """Other files of the iteration's folder -> SHA-256."""
    decided: int = 0
    """How many iterations were decided when it was proposed: what it has to beat is the best of those."""
    envelope: Envelope | None = None


class Kept(Record):
    """A candidate that was the best at its time."""

    number: int
    values: tuple[float, ...]
    """Of the goal's metric on validation, one a seed."""


class Images(Record):
    """The body of a line, as are those below."""

    sandbox: ImageFact
    prepare: ImageFact


class Prepared(Record):
    dataset: Dataset
    goal: Goal
    room: RoomFacts | None = None
    kept_since: str = ""
    """UTC: when that room worked, where its arrays were kept by content and this run took them over; else empty."""
    order_key_digest: str | None = None
    """SHA-256 of the secret key that orders of rows come from."""


class Asked(Record):
    """A language model was asked something, whether or not it answered."""

    call: Call


class LookedUp(Record):
    """The memory was asked."""

    recollection: Recollection


class Memorised(Record):
    """The memory was given what the run found out."""

    remembered: Remembered


class Evaluated(Record):
    number: int | None = None
    """None in journals of versions that tried one candidate at a time: it is that one's."""
    envelope: Envelope
    files: dict[str, str] = Field(default={})


class Decided(Record):
    number: int | None = None
    """As above."""
    score: Score | None
    decision: Decision


class Abandoned(Record):
    """The search stopped while these were under way, and nothing is decided about them."""

    numbers: tuple[int, ...]


class Settled(Record):
    """The winner was chosen among the finalists."""

    winner: int | None


class Opened(Record):
    """The seal was opened, and this was its number in the user's ledger."""

    opening: int
    test_digest: str


class Ended(Record):
    goal_achieved: bool | None


class State(Record):
    """A run as far as its journal goes: what reports show, and what is needed to go on or to look back."""

    run: Run
    policy: dict[str, Any]
    at: str
    """Time of the last line."""
    worked_s: float = 0.0
    """Seconds that processes have worked on the run, up to its last line; pauses before a resumption are left out."""
    pending: tuple[Pending, ...] = ()
    """Begun and not decided, in the order of their numbers, which is that in which they are decided."""
    abandoned: tuple[Pending, ...] = ()
    """As far as they went when the search stopped."""
    kept: tuple[Kept, ...] = ()
    """In the order of their numbers."""
    sources: tuple[str, ...] = ()
    """SHA-256 of the source of every iteration, in their order."""
    p_values: tuple[float, ...] = ()
    """Of the comparisons with the incumbent, in the order in which they were made."""
    test_envelope: Envelope | None = None
    """Predictions on the sealed inputs are on disk; the labels were not used for them."""
    prepare_image: ImageFact | None = None
    """That of the room in which the data were prepared; ``run.image`` is that of all others."""
    prepared: Prepared | None = None
    opening: int | None = None
    """The seal is open; only the score is missing if the run has no ``final``."""

    def limits(self) -> Policy:
        """The policy that the run began with. Raises PolicyError if this version cannot use it."""
        try:
            return Policy.model_validate(self.policy)
        except ValidationError as error:
            raise PolicyError(
                f"the run's policy cannot be used: {explain(error)}", "use the version of fumehood that began the run"
            ) from error


def fold(entries: Iterable[Entry], state: State | None = None) -> State:
    """The state that the entries lead to, from ``state`` on, or from the start of a run if it is None.

    Raises UsageError for entries that do not make sense there.
    """
    try:
        for entry in entries:
            state = _started(entry) if state is None else _worked(_STEPS[entry.kind](state, entry), entry)
            state = _with_run(state, head=entry.hash)
    except (KeyError, ValueError) as error:
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
    return State(run=run, policy=body["policy"], at=entry.at)


def _worked(state: State, entry: Entry) -> State:
    """Clocks of versions that did not count on by themselves may have been set back between two lines."""
    passed = (_time(entry.at) - _time(state.at)).total_seconds()
    spent = 0.0 if entry.kind == "resumed" else max(passed, 0.0)
    return _with(state, at=entry.at, worked_s=state.worked_s + spent)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _with(state: State, **changes: Any) -> State:
    return state.model_copy(update=changes)


def _with_run(state: State, **changes: Any) -> State:
    return _with(state, run=state.run.model_copy(update=changes))


def _resumed(state: State, _: Entry) -> State:
    return _with_run(state, resumed=state.run.resumed + 1)


def _image(state: State, entry: Entry) -> State:
    found = _value(Images, entry.body)
    return _with(_with_run(state, image=found.sandbox), prepare_image=found.prepare)


def _prepared(state: State, entry: Entry) -> State:
    prepared = _value(Prepared, entry.body)
    settings = state.run.settings.model_copy(update={"goal": prepared.goal})
    return _with(_with_run(state, dataset=prepared.dataset, settings=settings), prepared=prepared)


def _proposed(state: State, entry: Entry) -> State:
    begun = _value(Pending, entry.body)
    if begun.number != len(state.run.iterations) + len(state.pending) + 1:
        raise KeyError(entry.kind)
    begun = begun.model_copy(update={"decided": len(state.run.iterations)})
    return _with(state, pending=(*state.pending, begun))


def _asked(state: State, entry: Entry) -> State:
    return _with_run(state, calls=(*state.run.calls, _value(Asked, entry.body).call))


def _recalled(state: State, entry: Entry) -> State:
    found = _value(LookedUp, entry.body).recollection
    if found.number != len(state.run.iterations) + len(state.pending) + 1:
        raise KeyError(entry.kind)
    return _with_run(state, recollections=(*state.run.recollections, found))


def _remembered(state: State, entry: Entry) -> State:
    return _with_run(state, remembered=_value(Memorised, entry.body).remembered)


def _evaluated(state: State, entry: Entry) -> State:
    found = _value(Evaluated, entry.body)
    place = 0 if found.number is None else found.number - len(state.run.iterations) - 1
    if not 0 <= place < len(state.pending) or state.pending[place].envelope is not None:
        raise KeyError(entry.kind)
    begun = state.pending[place]
    done = begun.model_copy(update={"envelope": found.envelope, "files": begun.files | found.files})
    return _with(state, pending=(*state.pending[:place], done, *state.pending[place + 1 :]))


def _decided(state: State, entry: Entry) -> State:
    if not state.pending or state.pending[0].envelope is None:
        raise KeyError(entry.kind)
    pending, *others = state.pending
    found = _value(Decided, entry.body)
    if found.number not in (None, pending.number):
        raise KeyError(entry.kind)
    iteration = Iteration(
        number=pending.number,
        plan=pending.plan,
        source_digest=pending.source_digest,
        files=pending.files,
        envelope=pending.envelope,
        score=found.score,
        decision=found.decision,
    )
    iterations = longer(state.run.iterations, iteration)
    incumbent, kept = state.run.incumbent, state.kept
    if found.decision.verdict is Verdict.KEEP and found.score is not None:
        incumbent, kept = pending.number, (*kept, Kept(number=pending.number, values=found.score.primary.values))
    compared = found.decision.comparison
    p_values = state.p_values if compared is None else (*state.p_values, compared.p_value)
    state = _with_run(state, iterations=iterations, incumbent=incumbent, stopped_because=found.decision.stop)
    sources = (*state.sources, pending.source_digest)
    return _with(state, pending=tuple(others), kept=kept, sources=sources, p_values=p_values)


def _abandoned(state: State, entry: Entry) -> State:
    numbers = _value(Abandoned, entry.body).numbers
    if state.run.stopped_because is None or numbers != tuple(begun.number for begun in state.pending):
        raise KeyError(entry.kind)
    return _with(_with_run(state, abandoned=numbers), abandoned=state.pending, pending=())


def _exhausted(state: State, _: Entry) -> State:
    return _with_run(state, stopped_because=StopReason.EXHAUSTED)


def _out_of_budget(state: State, _: Entry) -> State:
    return _with_run(state, stopped_because=StopReason.BUDGET)


def _remeasured(state: State, entry: Entry) -> State:
    found = _value(Remeasured, entry.body["remeasured"])
    known = [one.iteration for one in state.run.remeasured]
    if state.run.settled or found.iteration in known or not 0 < found.iteration <= len(state.run.iterations):
        raise KeyError(entry.kind)
    return _with_run(state, remeasured=(*state.run.remeasured, found))


def _settled(state: State, entry: Entry) -> State:
    winner = _value(Settled, entry.body).winner
    if winner is not None and winner not in [one.iteration for one in state.run.remeasured]:
        raise KeyError(entry.kind)
    return _with_run(state, settled=True, winner=winner)


def _test_predicted(state: State, entry: Entry) -> State:
    return _with(state, test_envelope=_value(Envelope, entry.body["envelope"]))


def _seal_opened(state: State, entry: Entry) -> State:
    return _with(state, opening=_value(Opened, entry.body).opening)


def _measured(state: State, entry: Entry) -> State:
    return _with_run(state, final=_value(Sealed, entry.body["sealed"]))


def _baselines_fitted(state: State, entry: Entry) -> State:
    if state.opening is not None:
        raise KeyError(entry.kind)  # which one is the best is settled before the labels of the test are used
    return _with_run(state, baselines=_value(Baselines, entry.body["baselines"]))


def _baseline_measured(state: State, entry: Entry) -> State:
    found = _value(SealedBaseline, entry.body["baseline"])
    known = state.run.baselines
    if state.run.final is None or known is None or known.best != found.name:
        raise KeyError(entry.kind)
    return _with_run(state, baseline_final=found)


def _finished(state: State, entry: Entry) -> State:
    return _with_run(state, finished_at=entry.at, goal_achieved=_value(Ended, entry.body).goal_achieved)


_STEPS = {
    "resumed": _resumed,
    "image": _image,
    "data_prepared": _prepared,
    "asked": _asked,
    "recalled": _recalled,
    "remembered": _remembered,
    "proposed": _proposed,
    "evaluated": _evaluated,
    "decided": _decided,
    "exhausted": _exhausted,
    "out_of_budget": _out_of_budget,
    "abandoned": _abandoned,
    "remeasured": _remeasured,
    "settled": _settled,
    "test_predicted": _test_predicted,
    "seal_opened": _seal_opened,
    "measured": _measured,
    "baselines_fitted": _baselines_fitted,
    "baseline_measured": _baseline_measured,
    "finished": _finished,
}
