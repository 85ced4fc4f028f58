"""Reports are written whole, are the same every time, and say what happened in every state a run can be in."""

import json

import pytest

from fumehood import report
from fumehood.records import Run
from fumehood.report.conclusion import conclusion, public_labels, shrinkage
from report import factories

pytestmark = pytest.mark.unit


def contents(directory):
    return {str(p.relative_to(directory)): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize("make", factories.ALL.values(), ids=factories.ALL)
def test_every_state_of_a_run_leaves_all_reports_twice_the_same(make, tmp_path):
    paths = report.write(make(), tmp_path / "a")
    report.write(make(), tmp_path / "b")
    first = contents(tmp_path / "a")
    assert first == contents(tmp_path / "b")
    assert {"reports/research_summary.md", "reports/statistical_analysis.md", "reports/report.html"} <= first.keys()
    assert len(paths.evaluations) == len(make().iterations)
    assert (paths.final is not None) == (make().final is not None)
    assert not [name for name in first if name.endswith(".tmp")]


@pytest.mark.parametrize("make", factories.ALL.values(), ids=factories.ALL)
def test_the_registry_gives_the_run_back_unchanged(make, tmp_path):
    document = json.loads(report.write(make(), tmp_path).registry.read_text())
    assert document["schema_version"] == 1
    assert Run.model_validate_json(json.dumps(document["run"])) == make()


def test_evaluations_hold_metrics_with_intervals_and_keep_claims_out(tmp_path):
    run = factories.good_run()
    paths = report.write(run, tmp_path)
    fourth = json.loads(paths.evaluations[3].read_text())
    assert fourth["iteration"] == 4
    assert fourth["score"]["metrics"]["accuracy"]["interval"]["low"] == run.iterations[3].score.primary.interval.low
    assert "claims" not in paths.evaluations[3].read_text()
    assert json.loads(paths.evaluations[2].read_text())["score"] is None
    final = json.loads(paths.final.read_text())
    assert (final["score"]["split"], final["opening"]) == ("test", 1)


def test_a_second_report_replaces_the_first(tmp_path):
    paths = report.write(factories.unfinished_run(), tmp_path)
    assert "sealed test set is unopened" in paths.research_summary.read_text()
    report.write(factories.good_run(), tmp_path)
    assert "sealed test set is unopened" not in paths.research_summary.read_text()


CONCLUSIONS = {
    "good": ("met", "Goal met: accuracy on the sealed test is 0.981 [0.969, 0.993], target 0.950."),
    "missed": ("not_shown", "Not shown: accuracy on the sealed test is 0.957 [0.945, 0.969], target 0.950."),
    "failing": ("no_survivor", "No candidate survived: 3 candidates tried, none kept"),
    "empty": ("running", "Not finished: 0 iterations so far"),
    "unfinished": ("running", "Not finished: iteration 4 leads on validation with accuracy 0.963 [0.951, 0.975]"),
    "regression": ("measured", "Measured: RMSE on the sealed test is 56.80 [52.70, 60.90]; no target was set."),
}


@pytest.mark.parametrize("name", CONCLUSIONS)
def test_one_sentence_says_what_the_run_shows(name, tmp_path):
    run = factories.ALL[name]()
    kind, line = CONCLUSIONS[name]
    found = conclusion(run)
    assert found.kind == kind
    assert found.line.startswith(line)
    for path in (report.write(run, tmp_path).html, tmp_path / "reports/research_summary.md"):
        assert found.headline in path.read_text()


def test_a_goal_missed_by_the_whole_interval_is_not_called_undecided():
    run = factories.missed_run()
    low = run.final.model_copy(update={"score": factories.score(0.9, "test")})
    assert conclusion(run.model_copy(update={"final": low})).kind == "not_met"


def test_rounding_never_carries_a_bound_across_the_target():
    run = factories.missed_run()
    final = run.final.model_copy(update={"score": factories.score(0.94996 + 0.012, "test")})
    assert "[0.94996, " in conclusion(run.model_copy(update={"final": final})).sentence


def test_one_seed_and_worn_test_rows_are_pointed_out():
    run = factories.missed_run()
    score = run.final.score.model_copy(update={"n_seeds": 1})
    notes = " ".join(conclusion(run.model_copy(update={"final": run.final.model_copy(update={"score": score})})).notes)
    assert "One seed only" in notes
    assert "opening number 3" in notes


def test_shrinkage_is_positive_where_the_test_is_worse_in_both_directions():
    assert shrinkage(factories.missed_run()) == pytest.approx(0.963 - 0.957)
    assert shrinkage(factories.regression_run()) == pytest.approx(56.8 - 54.2)
    assert shrinkage(factories.failing_run()) is None


@pytest.mark.parametrize(
    ("spec", "public"),
    [("digits", True), ("builtin:iris", True), ("digits#subset=100", True), ("csv:iris.csv#target=x", False),
     ("npz:digits", False), ("data/digits", False), ("digits.csv", False)],
)  # fmt: skip
def test_public_labels_are_those_of_data_sets_that_ship_with_a_library(spec, public):
    run = factories.empty_run()
    assert public_labels(run.model_copy(update={"settings": factories.settings(data=spec)})) is public


def test_public_labels_are_said_to_be_public_and_private_ones_are_not(tmp_path):
    public = report.write(factories.regression_run(), tmp_path / "a")
    private = report.write(factories.good_run(), tmp_path / "b")
    for path in (public.html, public.research_summary):
        assert "labels of this data set are public" in path.read_text()
    for path in (private.html, private.research_summary):
        assert "labels of this data set are public" not in path.read_text()


def test_the_summary_tells_what_a_reader_asks_for(tmp_path):
    summary = report.write(factories.good_run(), tmp_path).research_summary.read_text()
    for fact in ("| train | 206 |", "| validation | 69 |", "bill\\_length\\_mm", "17,859", "fumehood resume .",
                 "The room's memory limit", "seed 7", "Opening of the seal | number 1", "First candidate"):  # fmt: skip
        assert fact in summary


def test_the_analysis_gives_every_value_and_names_its_methods(tmp_path):
    run = factories.good_run()
    analysis = report.write(run, tmp_path).statistical_analysis.read_text()
    for fact in ("Graybill and Wang", "percentile bootstrap", "0.9750, 0.9810, 0.9870", "| adelie | 88 | 2 | 0 |",
                 "NaN", "(claims)", "0.4420"):  # fmt: skip
        assert fact in analysis
    assert analysis.count("### Iteration") == len(run.iterations)


def test_many_classes_show_their_worst_confusions_instead_of_a_matrix(tmp_path):
    run = factories.good_run()
    size = 30
    matrix = tuple(tuple(50 if t == p else (7 if (t, p) == (3, 4) else 0) for p in range(size)) for t in range(size))
    score = run.final.score.model_copy(update={"confusion": matrix, "classes": ()})
    run = run.model_copy(update={"final": run.final.model_copy(update={"score": score})})
    analysis = report.write(run, tmp_path).statistical_analysis.read_text()
    assert "| 3 | 4 | 7 | 0.123 |" in analysis
    assert "Most frequent confusions" in analysis
