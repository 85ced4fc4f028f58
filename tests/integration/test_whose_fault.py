"""A room that came to nothing: the candidate's fault, unless the engine itself says otherwise or fails a control room.

Candidates that fake an engine's failure, to get another try, get none: they fail like any other.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fumehood.errors import EngineError
from fumehood.executors import Job
from fumehood_shared.messages import Failure, FailureKind, SeedSpec
from integration import candidates
from integration.candidates import training
from integration.lab import Lab, owned, tightened, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.attacks]

NO_OUT = training("import shutil", "shutil.rmtree('/exchange/out')", "os._exit(0)")
OTHER_OUT = training(
    "os.rename('/exchange/out', '/exchange/mine')", "os.symlink('/etc', '/exchange/out')", "os._exit(0)"
)
KILLS_ALL = training("os.fork()", "os.kill(-1, 9)", "os.kill(0, 9)")
DEEP = training(
    "os.chdir('/exchange/out/seed-0')",
    "for _ in range(400):",
    "    os.mkdir('d' * 200)",
    "    os.chdir('d' * 200)",
    "open('leaf', 'w').close()",
)
"""A path that is longer than the kernel takes in one piece, in the way of whoever reads the archive."""


def only_failure(lab: Lab, source: str, into: Path, deadline_s: float = 20.0) -> Failure:
    (report,) = lab.train(source, deadline_s=deadline_s).outcome.reports
    assert report.failure is not None
    return report.failure


@pytest.mark.parametrize("source", [NO_OUT, OTHER_OUT], ids=["out removed", "out replaced"])
def test_a_candidate_that_breaks_its_supervisor_has_crashed(lab: Lab, tmp_path: Path, source: str) -> None:
    found = only_failure(lab, source, tmp_path)
    assert found.kind is FailureKind.CRASHED
    assert "first process ended" in found.message
    assert "a control room worked" in found.message


def test_a_candidate_that_kills_everything_in_its_room_has_crashed(lab: Lab, tmp_path: Path) -> None:
    found = only_failure(lab, KILLS_ALL, tmp_path)
    assert (found.kind, found.message) == (FailureKind.CRASHED, "ended by SIGKILL")


def test_a_candidate_whose_output_cannot_be_read_has_failed(lab: Lab, tmp_path: Path) -> None:
    assert only_failure(lab, DEEP, tmp_path).kind is FailureKind.HOSTILE_OUTPUT


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "kind"),
    [(signal.SIGKILL, FailureKind.CRASHED), (signal.SIGSTOP, FailureKind.TIMEOUT)],
    ids=["killed", "stopped"],
)
def test_nor_does_a_signal_to_the_first_process_under_gvisor_get_another_try(
    lab: Lab, tmp_path: Path, number: signal.Signals, kind: FailureKind
) -> None:
    """There the first process of a room can be ended, or stopped so that it never reports, from inside."""
    assert "runsc" in lab.host.api.info()["Runtimes"], "this test needs gVisor (apt-get install runsc; register it)"
    gvisor = lab.under(tightened(lab.host.policy).model_copy(update={"runtime": "runsc"}))
    source = training(f"os.kill(1, {int(number)})", "time.sleep(9)")
    found = only_failure(gvisor, source, tmp_path, deadline_s=4.0)
    assert found.kind is kind
    assert "a control room worked" in found.message


# ---- what is the engine's ------------------------------------------------------------------------------------------


def first_process(lab: Lab) -> Callable[[], dict[str, int]]:
    """Containers of train rooms in which a candidate, or a control job, got its turn: id -> process on this host."""
    query = {"label": [f"fumehood.owner={lab.host.owner.id}", "fumehood.kind=train"]}

    def found() -> dict[str, int]:
        ids = [c["Id"] for c in lab.host.api.containers(filters=query)]
        states = {name: lab.host.api.inspect_container(name)["State"] for name in ids}
        return {name: state["Pid"] for name, state in states.items() if state["Running"]}

    return found


def holds(pid: int) -> bool:
    return Path(f"/proc/{pid}/root/tmp/holding").exists()


@contextmanager
def meanwhile(action: Callable[[], None]) -> Iterator[None]:
    thread = threading.Thread(target=action)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def test_a_room_that_somebody_stops_is_not_the_candidates_failure(lab: Lab, tmp_path: Path) -> None:
    rooms = first_process(lab)

    def stop() -> None:
        assert wait_until(lambda: any(holds(pid) for pid in rooms().values()), 60.0)
        lab.host.api.kill(next(iter(rooms())))

    with meanwhile(stop), pytest.raises(EngineError, match="somebody had it stopped from outside"):
        lab.train(candidates.HOLDS)


@pytest.mark.skipif(os.geteuid() != 0, reason="killing a room's process from the host takes root")
def test_where_the_control_room_dies_too_it_is_not_the_candidates_failure(lab: Lab, tmp_path: Path) -> None:
    """A host that kills rooms, without a word of the engine's."""
    rooms, ended = first_process(lab), threading.Event()

    def kill_all() -> None:
        assert wait_until(lambda: any(holds(pid) for pid in rooms().values()), 60.0)
        while not ended.is_set():
            for pid in rooms().values():
                os.kill(pid, signal.SIGKILL)
            ended.wait(0.05)

    killer = threading.Thread(target=kill_all)
    killer.start()
    with pytest.raises(EngineError, match="a control room beside it too"):
        lab.train(candidates.HOLDS)
    ended.set()
    killer.join()


@pytest.mark.skipif(os.geteuid() != 0, reason="killing a room's process from the host takes root")
@pytest.mark.parametrize("source", [candidates.HOLDS, candidates.HOLDS_IN_PREDICT], ids=["train", "predict"])
def test_a_death_that_nobody_explains_is_the_candidates_once_the_control_room_works(
    lab: Lab, tmp_path: Path, source: str
) -> None:
    killed = []

    def kill_one() -> None:
        query = {"label": [f"fumehood.owner={lab.host.owner.id}"]}

        def held() -> list[int]:
            states = [lab.host.api.inspect_container(c["Id"])["State"] for c in lab.host.api.containers(filters=query)]
            return [state["Pid"] for state in states if state["Running"] and holds(state["Pid"])]

        assert wait_until(held, 60.0)
        killed.extend(held())
        os.kill(killed[0], signal.SIGKILL)

    job = Job(number=1, source=source, seeds=(SeedSpec(seed=0, order=0),))
    with lab.executor() as executor, meanwhile(kill_one):
        envelope = executor.evaluate(job, tmp_path)
    assert envelope.failure is not None
    assert envelope.failure.kind is FailureKind.CRASHED
    assert "exit code 137 (a control room worked)" in envelope.failure.message
    assert owned(lab.host.api, f"fumehood.owner={lab.host.owner.id}") == [lab.volume.name]
