"""A worker that runs all seeds of a job: what it leaves is run alone, and how it ends is told of each seed.

The crew ends every other process there is, so it runs as process 1 of a PID namespace, as in a room.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fumehood_shared.messages import FailureKind, WorkerReport

pytestmark = pytest.mark.runner

PROGRAM = """
import os, signal, sys, time
from pathlib import Path
from fumehood_runner import crew
from fumehood_shared.messages import WorkerReport

crew.EXCHANGE = Path(sys.argv[1])

def job(index):
    print("alone", index)
    time.sleep(NAP)
    return WorkerReport(index=index, epochs=10 + index, seeds_ran="together", alone_because="says who?")

def done(index):
    (crew.EXCHANGE / "out" / f"seed-{index}" / "weights.safetensors").write_bytes(b"w")
    return WorkerReport(index=index, epochs=1 + index, seeds_ran="together")

def left(index):
    (crew.EXCHANGE / "out" / f"seed-{index}" / "half").write_bytes(b"h")
    return WorkerReport(index=index, alone_because=f"reason {index}")

def together():
    print("together")
    BODY

workers = crew.Crew(
    job, count=3, at_once=1, deadline=time.monotonic() + SECONDS, together=TOGETHER
).run()
print("[" + ",".join(worker.report().model_dump_json() for worker in workers) + "]")
"""


def ran(
    exchange: Path, body: str, *, seconds: float = 60.0, together: str = "together", nap: float = 0.0
) -> list[WorkerReport]:
    (exchange / "out").mkdir(parents=True)
    namespace = ["unshare", "--fork", "--pid", "--mount-proc", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    if subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no PID namespace may be made here")
    program = PROGRAM
    for name, value in {"BODY": body, "SECONDS": str(seconds), "TOGETHER": together, "NAP": str(nap)}.items():
        program = program.replace(name, value)
    command = [*namespace, sys.executable, "-c", program, str(exchange)]
    environment = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "PATH": os.environ["PATH"]}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as room:
        assert room.stdout is not None
        said = room.stdout.read()
        assert room.wait(60) == 0
    told: list[dict[str, Any]] = json.loads(said)
    return [WorkerReport.model_validate_json(json.dumps(one)) for one in told]


def files(exchange: Path) -> set[str]:
    out = exchange / "out"
    return {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}


def test_seeds_that_ran_together_are_not_run_again(tmp_path: Path) -> None:
    reports = ran(tmp_path, "return [done(0), done(1), done(2)]")
    assert [(r.index, r.epochs, r.seeds_ran, r.failure) for r in reports] == [
        (0, 1, "together", None),
        (1, 2, "together", None),
        (2, 3, "together", None),
    ]
    assert (tmp_path / "out/worker.log").read_text().split() == ["==", "worker", "0", "together"]
    assert files(tmp_path) == {"worker.log", *(f"seed-{k}/weights.safetensors" for k in range(3))}


def test_what_is_left_is_run_alone_and_starts_from_nothing(tmp_path: Path) -> None:
    reports = ran(tmp_path, "return [left(0), done(1), left(2)]")
    assert [(r.epochs, r.seeds_ran, r.alone_because) for r in reports] == [
        (10, "alone", "reason 0"),
        (2, "together", ""),
        (12, "alone", "reason 2"),
    ]
    assert files(tmp_path) == {"worker.log", "seed-1/weights.safetensors"}
    log = (tmp_path / "out/worker.log").read_text()
    assert [line for line in log.splitlines() if line and "==" not in line] == ["together", "alone 0", "alone 2"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "ended by SIGKILL (the one process of all 3 seeds)"),
        ("os._exit(3)", "exited with status 3 and without a report (the one process of all 3 seeds)"),
        ("raise RuntimeError('ours')", "exited with status 1 and without a report (the one process of all 3 seeds)"),
    ],
)
def test_a_crash_of_the_worker_of_all_is_told_of_each_seed(tmp_path: Path, body: str, words: str) -> None:
    reports = ran(tmp_path, body)
    assert [r.index for r in reports] == [0, 1, 2]
    for report in reports:
        assert report.failure is not None
        assert (report.failure.kind, report.failure.message) == (FailureKind.CRASHED, words)
        assert report.seeds_ran == "together"


def test_what_a_worker_left_before_it_came_to_a_bad_end_counts(tmp_path: Path) -> None:
    reports = ran(tmp_path, "[crew.leave(done(index)) for index in (0, 2)]; os._exit(3)")
    assert [(r.failure is None, r.epochs, r.seeds_ran) for r in reports] == [
        (True, 1, "together"),
        (False, 0, "together"),
        (True, 3, "together"),
    ]


def test_a_worker_of_all_that_leaves_seeds_and_crashes_has_crashed_with_them(tmp_path: Path) -> None:
    reports = ran(tmp_path, "return [done(0), left(1)]")
    assert [r.failure is None for r in reports] == [True, False, False]
    assert (reports[0].epochs, reports[0].seeds_ran) == (1, "together")
    assert "exited with status 1" in str(reports[1].failure)


@pytest.mark.parametrize(("body", "nap"), [("time.sleep(60)", 0.0), ("return [left(k) for k in range(3)]", 60.0)])
def test_at_the_deadline_no_seed_passes_for_one_that_was_run(tmp_path: Path, body: str, nap: float) -> None:
    reports = ran(tmp_path, body, seconds=2.0, nap=nap)
    assert [r.failure.kind for r in reports if r.failure] == [FailureKind.TIMEOUT] * 3


def test_without_such_a_worker_each_seed_has_its_own(tmp_path: Path) -> None:
    reports = ran(tmp_path, "pass", together="None")
    assert [(r.epochs, r.seeds_ran, r.alone_because) for r in reports] == [(10 + k, "alone", "") for k in range(3)]
