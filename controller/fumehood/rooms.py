"""What happens in which room: prepare, train, hand over, predict. One function a room, one job a call.

A function here opens no room by itself, since a room can be warmed earlier: the caller enters it and passes it in. What
comes back is files on disk plus an ``Outcome``; whether the candidate or the sandbox failed is decided here and only
here, from what was seen from outside.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, RootModel

from fumehood.data import seal
from fumehood.errors import DataError, EngineError, HostileOutputError
from fumehood.records import RoomFacts
from fumehood.sandbox import control, exchange
from fumehood.sandbox.exchange import Expected, Outgoing, Received, Rejected
from fumehood.sandbox.room import Ending, Room
from fumehood_shared import caps, paths
from fumehood_shared.messages import (
    EncodeReply,
    EncodeRequest,
    Failure,
    FailureKind,
    HandedFile,
    HandedOver,
    JobReply,
    PredictRequest,
    PrepareReply,
    PrepareRequest,
    Refusal,
    TrainRequest,
    WorkerReport,
)

PREDICTION_BYTES = 4
_ARCHIVED = 4096
"""More than what an archive adds to a file."""


class PrepareAnswer(RootModel[Annotated[PrepareReply | EncodeReply | Refusal, Field(discriminator="job")]]):
    """Any reply of a prepare room."""


@dataclass(frozen=True)
class Prepared:
    """What a prepare room brought: its reply, and the digests of every array file and of the raw files as sent."""

    reply: PrepareReply | EncodeReply
    digests: Mapping[str, str]
    raw_digests: Mapping[str, str]
    facts: RoomFacts


def prepare(room: Room, request: PrepareRequest | EncodeRequest, raw: Sequence[Outgoing], into: Path) -> Prepared:
    """Run our loader on raw files; arrays land as ``into/NAME.bin``.

    Raises DataError with the loader's own reason for data that cannot be used, HostileOutputError if the room's output
    breaks the protocol, EngineError if the room died by itself.
    """
    room.ready()
    files = [Outgoing(f"{paths.RAW}/{file.name}", file.content) for file in raw]
    sent = room.send([Outgoing(paths.REQUEST, request.model_dump_json().encode()), *files])
    _expect_reported(room, room.work(request.deadline_s))
    try:
        reply = exchange.parse(room.read(paths.RESULT, caps.RESULT_BYTES), PrepareAnswer, caps.RESULT_BYTES).root
        if isinstance(reply, Refusal):
            raise DataError(f"the data cannot be used: {reply.message}")
        expected = {paths.RESULT: Expected(caps.RESULT_BYTES), paths.LOG: Expected(caps.LOG_BYTES)}
        for name, spec in reply.arrays.items():
            if not seal.is_array_name(name):
                raise Rejected("an array has an impossible name")
            expected[paths.array_file(name)] = Expected(spec.nbytes, exact=True, keep=into / paths.array_file(name))
        received = room.collect(expected)
        if missing := [name for name in reply.arrays if paths.array_file(name) not in received]:
            raise Rejected(f"array {missing[0]} is missing")
    except Rejected as error:
        raise HostileOutputError(
            f"the prepare room's output is refused: {error}", "do not trust this data file"
        ) from error
    digests = {name: received[paths.array_file(name)].digest for name in reply.arrays}
    raw_digests = {file.name: sent[f"{paths.RAW}/{file.name}"] for file in raw}
    return Prepared(reply=reply, digests=digests, raw_digests=raw_digests, facts=room.facts)


def _expect_reported(room: Room, ending: Ending) -> None:
    facts = room.facts
    if ending is Ending.OUT_OF_TIME:
        raise DataError(
            "preparing the data took longer than the policy allows", "a smaller file, or a longer prepare.wall_s"
        )
    if ending is Ending.DIED and facts.oom_killed:
        raise DataError(
            "preparing the data needs more memory than the policy allows", "a smaller file, or more prepare.memory"
        )
    if ending is Ending.DIED:
        raise EngineError(f"the prepare room ended early with exit code {facts.exit_code}", "fumehood image verify")


@dataclass(frozen=True)
class Outcome:
    """What a train or predict room brought back: per seed a claim and perhaps a file, and the facts about the room.

    ``reports[i]`` and ``files[i]`` belong to the i-th seed of the request; only a predict room's seeds have files, and
    none where they failed.
    """

    reports: tuple[WorkerReport, ...]
    files: Mapping[int, Received]
    facts: RoomFacts
    log: str = ""


def train(room: Room, request: TrainRequest, source: str) -> Outcome:
    """Build and train every seed of the request; the weights stay in the hand-over volume (``handed_over``)."""
    room.ready()
    room.send(_job_files(request, source))
    return _run(room, request, _Wanted(paths.WEIGHTS, ()))


def predict(
    room: Room, request: PredictRequest, source: str, weights: Sequence[Path], inputs: Path, predictions: Sequence[Path]
) -> Outcome:
    """Predict ``inputs``; the i-th seed's numbers land in ``predictions[i]``.

    With the stored ``weights`` of every seed, or with those that were handed over, where the request says so.
    """
    room.ready()
    named = [Outgoing(paths.sent_weights(i), path) for i, path in enumerate(weights)]
    room.send([*_job_files(request, source), *named, Outgoing(paths.array_file("inputs"), inputs)])
    return _run(room, request, _predicted(request, predictions))


@dataclass(frozen=True)
class Weights:
    """One seed's weights in a hand-over volume, as a room found them that had run nothing of a candidate's."""

    size: int
    digest: str
    """SHA-256 of the file, hexadecimal."""
    parameters: int


def handed_over(room: Room, count: int, folder: str = paths.HANDOVER) -> list[Weights | Failure]:
    """What the train room before this predict ``room`` left for each of ``count`` seeds.

    To be asked before anything of the candidate's enters. A file that is not as agreed is its seed's failure; anything
    else in the volume is that of all, because it would be parameters that nobody counts.
    """
    room.ready()
    names = [paths.trained_weights(i) for i in range(count)]
    try:
        heads = room.heads(names, folder)
        told = exchange.parse(_content(heads, paths.HANDED_OVER), HandedOver, caps.RESULT_BYTES)
        if sum(file.bytes + _ARCHIVED for file in told.files) > room.cage.limits.output:
            raise Rejected("the weights are larger than the policy allows")
    except Rejected as error:
        return [_hostile(error)] * count
    listed = {file.name: file for file in told.files}
    return [_weights(_content(heads, name), listed.get(name)) for name in names]


def _content(received: Mapping[str, Received], name: str) -> bytes:
    return received[name].content if name in received else b""


def _weights(head: bytes, file: HandedFile | None) -> Weights | Failure:
    if file is None:
        return Failure(kind=FailureKind.INTERFACE, message=f"reported success and left no {paths.WEIGHTS}")
    try:
        return Weights(file.bytes, file.digest, exchange.count_parameters(head, file.bytes))
    except Rejected as error:
        return _hostile(error)


def keep_weights(room: Room, weights: Sequence[Weights | None], files: Sequence[Path]) -> None:
    """Copy every seed's weights from the hand-over volume of a predict ``room`` whose job is over; None is left there.

    Raises EngineError where they are not what ``handed_over`` found: they lie where that room could only read.
    """
    names = [paths.trained_weights(i) for i in range(len(weights))]
    left = Expected(int(room.cage.limits.output), hash_only=True)
    expected = {
        name: Expected(found.size, exact=True, keep=file) if found else left
        for name, found, file in zip(names, weights, files, strict=True)
    }
    try:
        received = room.collect(expected, paths.HANDOVER)
        for name, found in zip(names, weights, strict=True):
            if found and (name not in received or received[name].digest != found.digest):
                raise Rejected(f"{name} is not what was handed over")
    except Rejected as error:
        raise EngineError(f"the weights could not be kept: {error}", "fumehood doctor; a run can be resumed") from error


def read_training(room: Room, request: TrainRequest, folder: str) -> Outcome:
    """What a train room that reported left in ``folder``, given as an absolute path."""
    return _read(room, request, _Wanted(paths.WEIGHTS, ()), folder)


def read_predicting(room: Room, request: PredictRequest, predictions: Sequence[Path], folder: str) -> Outcome:
    """What a predict room that reported left in ``folder``; for ``predictions`` see ``predict``."""
    return _read(room, request, _predicted(request, predictions), folder)


@dataclass(frozen=True)
class _Wanted:
    """What every seed is to leave beside its report: a file of this ``name``, streamed to the i-th of ``files``.

    None where they go elsewhere, as weights do.
    """

    name: str
    files: tuple[Expected, ...]

    @property
    def expected(self) -> dict[str, Expected]:
        return {self.path(i): file for i, file in enumerate(self.files)}

    def path(self, index: int) -> str:
        return f"{paths.seed_dir(index)}/{self.name}"

    def discard(self) -> None:
        for file in self.files:
            if file.keep is not None:
                file.keep.unlink(missing_ok=True)


def _predicted(request: PredictRequest, predictions: Sequence[Path]) -> _Wanted:
    size = request.inputs.shape[0] * request.num_outputs * PREDICTION_BYTES
    return _Wanted(paths.PREDICTIONS, tuple(Expected(size, exact=True, keep=path) for path in predictions))


def _job_files(request: TrainRequest | PredictRequest, source: str) -> list[Outgoing]:
    return [Outgoing(paths.REQUEST, request.model_dump_json().encode()), Outgoing(paths.SOURCE, source.encode())]


def _run(room: Room, request: TrainRequest | PredictRequest, wanted: _Wanted) -> Outcome:
    """Start signal to typed outcome. From the start signal on, every failure is the candidate's.

    Unless it is shown to be the engine's: raises EngineError then, and the job can be done again with the same seeds.
    """
    doubtful = True
    try:
        ending = room.work(request.deadline_s)
        if ending is Ending.REPORTED:
            return _collected(room, request, wanted, f"{paths.EXCHANGE}/{paths.OUT}")
        failure = _failure_from_outside(ending, room.facts)
        doubtful = failure.kind is not FailureKind.OOM
    except Rejected as error:
        failure = _hostile(error)
        doubtful = not room.runs()
    except EngineError as error:
        failure = Failure(kind=FailureKind.CRASHED, message=f"the room was lost: {error}"[: caps.MESSAGE_CHARS])
    wanted.discard()
    _expect_uninterrupted(room, failure)
    return _all_failed(room, request, _confirmed(room, request, failure) if doubtful else failure)


def _read(room: Room, request: TrainRequest | PredictRequest, wanted: _Wanted, folder: str) -> Outcome:
    try:
        return _collected(room, request, wanted, folder)
    except Rejected as error:
        wanted.discard()
        return _all_failed(room, request, _hostile(error))


def _collected(room: Room, request: TrainRequest | PredictRequest, wanted: _Wanted, folder: str) -> Outcome:
    """What a room left that said it was done; raises Rejected where that is not what the protocol allows."""
    common = {paths.RESULT: Expected(caps.RESULT_BYTES), paths.LOG: Expected(caps.LOG_BYTES)}
    received = room.collect({**common, **wanted.expected}, folder)
    if paths.RESULT not in received:
        raise Rejected("there is no result")
    reply = exchange.parse(received[paths.RESULT].content, JobReply, caps.RESULT_BYTES)
    if reply.job != request.job or len(reply.reports) != len(request.seeds):
        raise Rejected("the result is of another job")
    files = {i: received[wanted.path(i)] for i in range(len(wanted.files)) if wanted.path(i) in received}
    missing = {i for i in range(len(wanted.files)) if i not in files}
    reports = tuple(_judged(report, i in missing, wanted.name, room.facts) for i, report in enumerate(reply.reports))
    log = received[paths.LOG].content.decode("utf-8", "replace") if paths.LOG in received else ""
    return Outcome(reports=reports, files=files, facts=room.facts, log=log)


def _hostile(error: Rejected) -> Failure:
    return Failure(kind=FailureKind.HOSTILE_OUTPUT, message=str(error)[: caps.MESSAGE_CHARS])


def _expect_uninterrupted(room: Room, failure: Failure) -> None:
    """Raises EngineError where the engine's own account says that the room did not end by itself."""
    if (why := room.interruption()) is not None:
        raise EngineError(
            f"the {room.cage.role} room failed ({failure.message}), and {why}", "fumehood doctor; a run can be resumed"
        )


def _confirmed(room: Room, request: TrainRequest | PredictRequest, failure: Failure) -> Failure:
    """A failure that tells nothing of whose it is, once a control room has shown that it is the candidate's.

    Raises EngineError where that room fails too. The candidate's own room is destroyed before.
    """
    room.close()
    if (why := control.trouble(room.another(), request)) is not None:
        raise EngineError(
            f"the {room.cage.role} room failed ({failure.message}), and a control room beside it too: {why}",
            "fumehood doctor; a run can be resumed",
        )
    message = f"{failure.message} (a control room worked)"
    return failure.model_copy(update={"message": message[-caps.MESSAGE_CHARS :]})


def _judged(report: WorkerReport, lacks_file: bool, wanted: str, facts: RoomFacts) -> WorkerReport:
    """A claim of success without the file is a failure; a crash where the kernel ran out of memory is an OOM."""
    failure = report.failure
    if failure is None and lacks_file:
        failure = Failure(kind=FailureKind.INTERFACE, message=f"reported success and left no {wanted}")
    if (
        failure is not None
        and failure.kind is FailureKind.CRASHED
        and "SIGKILL" in failure.message
        and facts.oom_killed
    ):
        failure = Failure(kind=FailureKind.OOM, message="the room ran out of memory")
    return report if failure is report.failure else report.model_copy(update={"failure": failure})


def _failure_from_outside(ending: Ending, facts: RoomFacts) -> Failure:
    if ending is Ending.OUT_OF_TIME:
        return Failure(kind=FailureKind.TIMEOUT, message="the room did not report by its deadline and was destroyed")
    if facts.oom_killed:
        return Failure(kind=FailureKind.OOM, message="the room ran out of memory")
    return Failure(kind=FailureKind.CRASHED, message=f"the room's first process ended with exit code {facts.exit_code}")


def _all_failed(room: Room, request: TrainRequest | PredictRequest, failure: Failure) -> Outcome:
    reports = tuple(WorkerReport(index=i, failure=failure) for i in range(len(request.seeds)))
    return Outcome(reports=reports, files={}, facts=room.facts)
