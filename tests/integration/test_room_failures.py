"""Every way in which a candidate can fail, in real rooms: typed as documented, bounded, and nothing left behind."""

from pathlib import Path

import pytest

from fumehood.executors import Job
from fumehood.rooms import Weights
from fumehood.sandbox import cage
from fumehood_shared import caps
from fumehood_shared.messages import Failure, FailureKind, SeedSpec
from integration import candidates
from integration.lab import MIB, Ended, Lab, RecordingHost, Traces, tightened

pytestmark = pytest.mark.integration

IN_THE_WORKER = [
    ("syntax", candidates.SYNTAX, FailureKind.SYNTAX, "invalid syntax"),
    ("import", candidates.IMPORT, FailureKind.IMPORT, "a_module_that_is_not_there"),
    ("interface", candidates.INTERFACE, FailureKind.INTERFACE, "build_model"),
    ("shape", candidates.SHAPE, FailureKind.SHAPE, "mat1 and mat2"),
    ("non-finite weights", candidates.NON_FINITE, FailureKind.NON_FINITE, "weight"),
    ("segmentation fault", candidates.SEGFAULT, FailureKind.CRASHED, "SIGSEGV"),
    ("os._exit", candidates.EXITS, FailureKind.CRASHED, "status 7"),
    ("success without weights", candidates.NO_WEIGHTS, FailureKind.INTERFACE, "left no weights"),
    ("forged result", candidates.FORGED_RESULT, FailureKind.CRASHED, "status 0 and without a report"),
    ("an extra file", candidates.EXTRA_FILE, FailureKind.HOSTILE_OUTPUT, "unexpected name 'extra'"),
    ("a link for weights", candidates.LINK, FailureKind.HOSTILE_OUTPUT, "not a regular file"),
]


def failure(lab: Lab, ended: Ended) -> Failure:
    """The only seed's failure, after checking that the room is gone."""
    assert ended.traces.left(lab.host.api) == []
    (report,) = ended.outcome.reports
    assert report.failure is not None
    return report.failure


@pytest.mark.parametrize(
    ("source", "kind", "words"), [case[1:] for case in IN_THE_WORKER], ids=[case[0] for case in IN_THE_WORKER]
)
def test_a_failing_candidate_is_typed_and_leaves_nothing(
    lab: Lab, tmp_path: Path, source: str, kind: FailureKind, words: str
) -> None:
    found = failure(lab, lab.train(source))
    assert found.kind is kind
    assert words in found.message


def test_the_control_succeeds_and_leaves_nothing_either(lab: Lab, tmp_path: Path) -> None:
    ended = lab.train(candidates.LINEAR, seeds=2)
    assert [report.failure for report in ended.outcome.reports] == [None, None]
    assert [weights.parameters for weights in ended.weights if isinstance(weights, Weights)] == [15, 15]
    assert ended.traces.left(lab.host.api) == []


def test_a_memory_bomb_is_out_of_memory(lab: Lab, tmp_path: Path) -> None:
    small = lab.under(tightened(lab.host.policy, memory=512 * MIB))
    ended = small.train(candidates.MEMORY)
    assert failure(lab, ended).kind is FailureKind.OOM
    assert ended.outcome.facts.oom_killed


def test_an_endless_candidate_is_ended_at_its_deadline(lab: Lab, tmp_path: Path) -> None:
    ended = lab.train(candidates.ENDLESS, deadline_s=2.0)
    assert failure(lab, ended).kind is FailureKind.TIMEOUT
    assert 2.0 <= ended.outcome.facts.wall_s < 6.0


def test_a_file_that_is_too_large_is_refused_in_the_room_and_outside(lab: Lab, tmp_path: Path) -> None:
    ended = lab.under(tightened(lab.host.policy, output=64 * MIB)).train(candidates.HUGE)
    found = failure(lab, ended)
    assert found.kind is FailureKind.HOSTILE_OUTPUT
    assert "larger than the policy allows" in found.message


@pytest.mark.parametrize("source", [candidates.BLOCKED_RESULT, candidates.BLOCKED_DRAFT], ids=["folder", "draft"])
def test_a_candidate_cannot_stand_in_the_way_of_the_result(lab: Lab, tmp_path: Path, source: str) -> None:
    """Whatever it leaves where the supervisor writes is replaced, or costs the candidate its result."""
    ended = lab.train(source)
    assert ended.traces.left(lab.host.api) == []
    (report,) = ended.outcome.reports
    assert report.failure is None or report.failure.kind in (FailureKind.CRASHED, FailureKind.HOSTILE_OUTPUT)


def test_a_flood_of_output_is_cut_to_its_beginning_and_its_end(lab: Lab, tmp_path: Path) -> None:
    log = lab.train(candidates.FLOOD).outcome.log
    assert 1000 < len(log.encode()) <= caps.LOG_BYTES
    assert "first words" in log
    assert log.rstrip().endswith("last words")


@pytest.mark.parametrize("source", [candidates.LONG_STORY, candidates.LONG_MESSAGE], ids=["frames", "message"])
def test_a_long_traceback_is_trimmed_and_shows_no_frame_of_ours(lab: Lab, tmp_path: Path, source: str) -> None:
    found = failure(lab, lab.train(source))
    assert found.kind is FailureKind.CRASHED
    assert 0 < len(found.traceback) <= caps.TRACEBACK_CHARS
    assert len(found.message) <= caps.MESSAGE_CHARS
    assert "fumehood_runner" not in found.traceback


@pytest.mark.parametrize(
    ("source", "kind", "words"),
    [
        (candidates.NAN_PREDICTIONS, FailureKind.NON_FINITE, "predictions are NaN"),
        (candidates.SHORT_PREDICTIONS, FailureKind.HOSTILE_OUTPUT, "exactly"),
        (candidates.WORTHLESS_WEIGHTS, FailureKind.HOSTILE_OUTPUT, "weights file"),
    ],
    ids=["forged nan", "forged size", "forged weights"],
)
def test_forged_files_fail_the_whole_evaluation(
    lab: Lab, tmp_path: Path, source: str, kind: FailureKind, words: str
) -> None:
    host = RecordingHost(**vars(lab.host))
    with lab.executor(host) as executor:
        envelope = executor.evaluate(Job(number=1, source=source, seeds=(SeedSpec(seed=0, order=0),)), tmp_path)
    assert envelope.failure is not None
    assert envelope.failure.kind is kind
    assert words in envelope.failure.message
    assert envelope.seeds[0].predictions_digest is None
    for room in host.made:
        volumes = frozenset(cage.volumes(room.cage))
        traces = Traces(container="absent", name=room.cage.name, volumes=volumes, uid=room.cage.uid)
        assert traces.left(lab.host.api) == []
