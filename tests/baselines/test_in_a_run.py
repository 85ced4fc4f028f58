"""Baselines in a run whose rooms are fake: noted, resumed, measured at the run's only opening, and audited."""

import shutil

import pytest

from fakes.rooms import Killed, Rooms, begin, go, labels
from fumehood.audit import Status, audit
from fumehood.journal import fold, read

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True, scope="module")
def _own_state_folder(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="module")
def targets():
    return labels()


@pytest.fixture(scope="module")
def whole(tmp_path_factory, targets):
    """A run that nothing interrupted, and where it lies."""
    directory = begin(tmp_path_factory.mktemp("whole") / "run", targets)
    return go(directory, Rooms(targets), baselines=True), directory


def test_every_baseline_is_scored_on_validation_and_the_best_one_on_the_test(whole):
    run, directory = whole
    assert [one.name for one in run.baselines.results] == ["majority", "logistic", "svm", "forest", "boosting"]
    assert all(one.score.split == "validation" and not one.failure for one in run.baselines.results)
    best = max(one.score.primary.mean for one in run.baselines.results)
    assert run.baselines.chosen().score.primary.mean == best
    assert (run.baseline_final.name, run.baseline_final.score.split) == (run.baselines.best, "test")
    kinds = [entry.kind for entry in read(directory.journal)]
    assert kinds[-6:] == [
        "baselines_fitted",
        "test_predicted",
        "seal_opened",
        "measured",
        "baseline_measured",
        "finished",
    ]


def test_an_audit_takes_the_baselines_scores_again(whole):
    found = audit(whole[1].path)
    assert found.passed
    assert {f.what for f in found.findings if "baseline" in f.what and f.status is Status.SAME} >= {
        "baseline svm",
        "best baseline",
        "sealed test, baseline",
        "sealed/baselines/svm/test/seed-0.bin",
    }


def test_an_audit_sees_a_baseline_whose_predictions_were_changed(tmp_path, whole):
    copy = tmp_path / "run"
    shutil.copytree(whole[1].path, copy)
    file = copy / "sealed/baselines/forest/validation/seed-0.bin"
    file.write_bytes(bytes(file.stat().st_size))
    found = audit(copy)
    assert [f.what for f in found.findings if f.status is Status.DIFFERS] == [
        "sealed/baselines/forest/validation/seed-0.bin"
    ]


KINDS = ("proposed", "baselines_fitted", "test_predicted", "seal_opened", "measured", "baseline_measured")
LINES = dict(zip(KINDS, (1, 13, 14, 15, 16, 17), strict=True))


@pytest.mark.parametrize("last", LINES)
def test_a_run_killed_anywhere_ends_with_the_same_baselines(tmp_path, targets, whole, last):
    directory, rooms = begin(tmp_path / "run", targets), Rooms(targets)
    with pytest.raises(Killed):
        go(directory, rooms, lines_to_live=LINES[last], baselines=True)
    assert read(directory.journal)[-1].kind == last
    run = go(directory, rooms, baselines=True)

    def scores(of):
        return (
            [(one.name, one.digests, one.score) for one in of.baselines.results],
            of.baselines.best,
            of.baseline_final,
        )

    assert scores(run) == scores(whole[0])
    kinds = [entry.kind for entry in read(directory.journal)]
    assert [kinds.count(kind) for kind in ("baselines_fitted", "seal_opened", "baseline_measured")] == [1, 1, 1]


def test_the_test_labels_stay_unused_where_nothing_survived(tmp_path, targets):
    directory = begin(tmp_path / "run", targets)
    run = go(directory, Rooms(targets, fail=(1, 2, 3, 4)), baselines=True)
    assert run.baselines.best is not None
    assert (run.final, run.baseline_final) == (None, None)
    assert audit(directory.path).passed


def test_a_journal_without_baselines_is_read_and_audited_as_before(tmp_path, targets):
    directory = begin(tmp_path / "run", targets)
    go(directory, Rooms(targets))
    assert fold(read(directory.journal)).run.baselines is None
    assert audit(directory.path).passed
