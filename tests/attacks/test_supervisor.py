"""Workers that attack what the supervisor works with; it must live, and blame the right seed for the right reason."""

import pytest

from attacks.candidates import BUILD, HEAD, Attempt, Begin, Started
from fumehood_shared.messages import FailureKind

pytestmark = [pytest.mark.attacks, pytest.mark.integration, pytest.mark.slow]


@pytest.fixture(scope="module")
def started(begin: Begin) -> Started:
    return begin(2)


def first_only(body: str) -> str:
    lines = "".join(f"        {line}\n" for line in body.splitlines())
    return f"{HEAD}{BUILD}def train(model, data, context):\n    if context.seed == 0:\n{lines}"


def test_a_signal_that_python_has_no_name_for_ends_one_seed_only(started: Started, attempt: Attempt) -> None:
    first, second = attempt(*started, first_only("os.kill(os.getpid(), 40)")).seeds
    assert first.failure is not None
    assert "signal 40" in first.failure.message
    assert second.failure is None


def test_a_report_that_cannot_be_taken_away_is_hostile_output(started: Started, attempt: Attempt) -> None:
    body = (
        "if os.fork() == 0:\n    while not os.path.exists(OUT + '/seed-0/report.json'): pass\n"
        "    os.chmod(OUT + '/seed-0', 0o500); time.sleep(60)"
    )
    # The second seed takes its time, so that the first one's child comes before the supervisor's end of everybody.
    source = first_only(body) + "    else:\n        time.sleep(2)\n"
    failures = [seed.failure for seed in attempt(*started, source).seeds]
    assert [f and f.kind for f in failures] == [FailureKind.HOSTILE_OUTPUT] * 2


def test_a_full_exchange_volume_costs_only_the_seed_that_has_no_room_left(started: Started, attempt: Attempt) -> None:
    body = (
        "time.sleep(4)\nfile = open(OUT + '/seed-0/junk', 'wb')\n"
        "try:\n    while True: file.write(bytes(1 << 24))\nexcept OSError: pass"
    )
    first, second = attempt(*started, first_only(body)).seeds
    assert first.failure is not None
    assert first.failure.kind is FailureKind.OOM
    assert second.failure is None


def test_what_a_candidate_prints_reaches_the_log(started: Started, attempt: Attempt) -> None:
    source = f"{HEAD}{BUILD}print('\\x1b[31mhello')\n"
    envelope = attempt(*started, source)
    folder = started[0].recorder.directory.iteration(len(started[0].recorder.run.iterations))
    assert "hello" in envelope.log_tail
    assert "hello" in (shown := (folder / "room.log").read_text())
    assert "\x1b" not in shown
