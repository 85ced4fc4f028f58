"""Baselines in a run whose rooms are fake: noted, resumed, measured at the run's only opening, and audited."""

import json
import shutil
import sys
from datetime import datetime

import pytest

from fakes.rooms import Killed, Rooms, begin, go, labels
from fumehood import chain
from fumehood.audit import Status, audit
from fumehood.cli import outcome, view
from fumehood.journal import fold, read
from fumehood.report import worth
from fumehood.session import Session

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


def test_whether_the_network_is_worth_it_is_told_wherever_a_run_is_told(whole, capsys):
    run, directory = whole
    pair = run.baseline_final.comparison
    winner, best = run.final.score.primary, run.baseline_final.score.primary
    assert pair.difference == pytest.approx(winner.mean - best.mean)
    assert pair.interval.low > 0
    told = worth.line(run)
    assert told.startswith("Worth it: the best scikit-learn model on validation, ")
    assert f"{pair.interval.low:.3f}, {pair.interval.high:.3f}" in told
    for name in ("research_summary.md", "statistical_analysis.md", "report.html"):
        page = (directory.reports / name).read_text()
        assert "Worth it: the best scikit" in page, name
        assert all(one.label.split(" (")[0] in page for one in run.baselines.results)
    view.print_summary(run, directory.path, sys.stderr)
    assert "Worth it: the best scikit-learn model" in " ".join(capsys.readouterr().err.split())
    document = outcome.document(Session(run, directory))["baselines"]
    assert document["test"]["mean"] == best.mean
    assert document["comparison"]["difference"] == pair.difference
    assert [one["validation"]["mean"] for one in document["results"]] == [
        one.score.primary.mean for one in run.baselines.results
    ]
    evaluation = json.loads((directory.experiments / "evaluations/baselines.json").read_text())
    assert evaluation["test"]["score"]["metrics"]["accuracy"]["mean"] == best.mean


@pytest.mark.parametrize(
    ("low", "high", "said"), [(-0.3, -0.1, "Not worth it"), (-0.1, 0.2, "Not shown to be worth it")]
)
def test_what_is_said_of_a_difference_follows_from_its_interval(whole, low, high, said):
    run = whole[0]
    pair = run.baseline_final.comparison
    interval = pair.interval.model_copy(update={"low": low, "high": high})
    pair = pair.model_copy(update={"difference": (low + high) / 2, "interval": interval})
    changed = run.baseline_final.model_copy(update={"comparison": pair})
    assert worth.line(run.model_copy(update={"baseline_final": changed})).startswith(f"{said}:")


def test_an_audit_sees_a_comparison_that_does_not_follow(tmp_path, whole):
    """The journal is written anew from end to end, as somebody without a key can."""
    copy = tmp_path / "run"
    shutil.copytree(whole[1].path, copy)
    last = None
    lines = []
    for entry in read(whole[1].journal):
        body = dict(entry.body)
        if entry.kind == "baseline_measured":
            flattered = body["baseline"]["comparison"] | {"difference": 0.999}
            body["baseline"] = body["baseline"] | {"comparison": flattered}
        last = chain.follow(last, entry.kind, body, None, datetime.fromisoformat(entry.at))
        lines.append(last.line() + b"\n")
    (copy / "journal.jsonl").write_bytes(b"".join(lines))
    found = audit(copy)
    assert ("sealed test, baseline", Status.DIFFERS) in {(f.what, f.status) for f in found.findings}


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


@pytest.mark.parametrize("last", KINDS)
def test_a_run_killed_anywhere_ends_with_the_same_baselines(tmp_path, targets, whole, last):
    directory, rooms = begin(tmp_path / "run", targets), Rooms(targets)
    kinds = [entry.kind for entry in read(whole[1].journal)]
    with pytest.raises(Killed):
        go(directory, rooms, lines_to_live=kinds.index(last) - kinds.index("resumed"), baselines=True)
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


def test_results_stay_where_a_run_keeps_nothing_else(tmp_path, targets, whole):
    directory = begin(tmp_path / "run", targets, keep=False)
    run = go(directory, Rooms(targets), baselines=True)
    assert run.baseline_final == whole[0].baseline_final
    assert not directory.sealed.exists()
    found = audit(directory.path)
    assert found.passed
    assert ("sealed test, baseline", Status.NOT_CHECKED) in {(f.what, f.status) for f in found.findings}
