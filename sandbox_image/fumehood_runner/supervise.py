"""The room's first process: attests, waits for one request, forks the workers, ends them, and reports.

It runs no candidate code; that is for workers (``crew``), which it ends all.

    attest -> "ready" -> request and files -> "go" -> workers -> all others killed -> result -> "done" -> files
"""

import contextlib
import gc
import time

from pydantic import TypeAdapter

from fumehood_runner import lifeline, process
from fumehood_runner.attest import Role, attest, initial_environment
from fumehood_runner.crew import EXCHANGE, Crew, Job, Together, lay_ballast, leave, write
from fumehood_shared import paths
from fumehood_shared.messages import (
    EncodeReply,
    EncodeRequest,
    JobReply,
    Message,
    PredictRequest,
    PrepareReply,
    PrepareRequest,
    Refusal,
    RefusalKind,
    TrainRequest,
)

_PREPARED: TypeAdapter[PrepareReply | EncodeReply | Refusal] = TypeAdapter(PrepareReply | EncodeReply | Refusal)


def main(arguments: list[str]) -> None:
    """Entry point of the image; ``arguments`` is the role."""
    role: Role = arguments[0]  # type: ignore[assignment]  # the controller passes one of three words, checked below
    environment = initial_environment()
    process.harden_supervisor()
    warm_up, run = {
        "prepare": (_warm_prepare, _prepare),
        "train": (_warm_torch, _train),
        "predict": (_warm_torch, _predict),
    }[role]
    warm_up()
    _keep_for_good()
    out = EXCHANGE / paths.OUT
    out.mkdir(mode=0o700)
    lay_ballast()
    write(out / paths.ATTESTATION, attest(role, environment).model_dump_json().encode())
    lifeline.say("ready")
    lifeline.wait_for_go()
    reply = run(time.monotonic())
    write(out / paths.RESULT, reply.model_dump_json().encode())
    lifeline.say("done")
    lifeline.wait_for_end()


# ---- roles -------------------------------------------------------------------------------------------------------


def _warm_prepare() -> None:
    import fumehood_runner.prepare.jobs  # noqa: F401  # loaded before the request, so that only work is left after it


def _warm_torch() -> None:
    from fumehood_runner import gpus
    from fumehood_runner.seeds import warm_up, warm_up_on_gpu

    (warm_up_on_gpu if gpus.are_here() else warm_up)()
    import fumehood_runner.together  # noqa: F401  # not before torch's optimisers were spared their compiler


def _keep_for_good() -> None:
    """Nothing loaded so far is ever garbage: no collection, here or in a worker, looks at it (or copies it) again."""
    gc.freeze()
    gc.enable()


def _request() -> bytes:
    return (EXCHANGE / paths.IN / paths.REQUEST).read_bytes()


def _prepare(started: float) -> Message:
    from fumehood_runner.prepare import encode, prepare

    request = TypeAdapter[PrepareRequest | EncodeRequest](PrepareRequest | EncodeRequest).validate_json(_request())

    def job(_: int) -> Message:
        reply: Message = (
            prepare(request, EXCHANGE) if isinstance(request, PrepareRequest) else encode(request, EXCHANGE)
        )
        return reply

    (ended,) = Crew(job, count=1, at_once=1, deadline=started + request.deadline_s).run()
    raw = ended.report_bytes()
    ended.folder.rmdir()
    if raw is None:
        return Refusal(kind=RefusalKind.NOT_READABLE, message=f"the loader ended early: {ended.failure().message}")
    return _PREPARED.validate_json(raw)


def _train(started: float) -> Message:
    from fumehood_runner.seeds import Folders, train_seed
    from fumehood_runner.together import train_together

    request = TrainRequest.model_validate_json(_request())
    return _job_reply(
        request,
        started,
        lambda index: train_seed(request, index, Folders(), started=started, leave=leave),
        lambda: train_together(request, Folders(), started=started, leave=leave),
    )


def _predict(started: float) -> Message:
    from fumehood_runner.seeds import Folders, predict_seed
    from fumehood_runner.together import predict_together

    request = PredictRequest.model_validate_json(_request())
    return _job_reply(
        request,
        started,
        lambda index: predict_seed(request, index, Folders(), started=started),
        lambda: predict_together(request, Folders(), started=started),
    )


def _job_reply(request: TrainRequest | PredictRequest, started: float, job: Job, together: Together) -> JobReply:
    crew = Crew(
        job,
        count=len(request.seeds),
        at_once=request.at_once,
        deadline=started + request.deadline_s,
        together=together if request.may_run_together else None,
    )
    workers = crew.run()
    first, *rest = (worker.report() for worker in workers)
    for worker in workers:
        with contextlib.suppress(OSError):  # not empty, or no folder any more: the controller looks at what is there
            worker.folder.rmdir()
    # The seeds' models are alike, and 64 long summaries would not fit into one result.
    reports = (first, *(report.model_copy(update={"summary": None}) for report in rest))
    return JobReply(job=request.job, reports=reports, wall_s=time.monotonic() - started)
