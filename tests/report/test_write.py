"""Reports are written whole, are the same every time, and say what happened in every state a run can be in."""

import json
import math
import re

import numpy as np
import pytest

from fumehood import report
from fumehood.records import Mistake, Run, SealedBaseline
from fumehood.report import fit, methods
from fumehood.report.conclusion import conclusion, public_labels, shrinkage
from fumehood.scoring import bootstrap, probability
from fumehood.scoring.baseline import Baseline
from fumehood.scoring.comparison import compare
from fumehood.scoring.score import score
from fumehood.text import plain
from fumehood_shared import caps
from fumehood_shared.messages import Task, TrainSlice
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


def test_evaluations_hold_metrics_with_intervals_and_keep_claims_apart(tmp_path):
    run = factories.good_run()
    paths = report.write(run, tmp_path)
    fourth = json.loads(paths.evaluations[3].read_text())
    assert fourth["iteration"] == 4
    assert fourth["score"]["metrics"]["accuracy"]["interval"]["low"] == run.iterations[3].score.primary.interval.low
    claims = fourth.pop("claims")
    assert "claims" not in json.dumps(fourth)
    assert [seed["seed"] for seed in claims["seeds"]] == [400, 401, 402]
    assert tuple(claims["seeds"][2]["train_loss"]) == factories.claims(2).train_loss
    assert claims["seeds"][1]["train_slice"]["accuracy"] == pytest.approx(0.995)
    failed = json.loads(paths.evaluations[2].read_text())
    assert (failed["score"], failed["fit"], failed["claims"]) == (None, None, {"seeds": []})
    final = json.loads(paths.final.read_text())
    assert (final["score"]["split"], final["opening"]) == ("test", 1)


def test_evaluations_hold_the_gaps_the_noise_floor_and_the_shrinkage(tmp_path):
    run = factories.settled_run()
    paths = report.write(run, tmp_path)
    final = json.loads(paths.final.read_text())
    assert [(row["name"], row["claim"]) for row in final["fit"]["rows"]] == [
        ("train slice", True),
        ("validation", False),
        ("sealed test", False),
    ]
    assert final["fit"]["gaps"][0]["values"]["accuracy"] == pytest.approx(0.995 - 0.963)
    assert final["validation_to_test_shrinkage"] == pytest.approx(0.963 - 0.981)
    assert final["noise_floor"]["spread"]["df"] == 7
    assert final["noise_floor"]["smallest"] > final["noise_floor"]["standard_error"] > 0
    fresh = json.loads((tmp_path / "experiments/evaluations/004-fresh.json").read_text())
    assert [row["name"] for row in fresh["fit"]["rows"]] == ["train slice", "validation"]
    assert len(fresh["claims"]["seeds"]) == 3
    assert json.loads(report.write(factories.good_run(), tmp_path / "b").final.read_text())["noise_floor"] is None


def test_facts_of_folds_hold_no_claims(tmp_path):
    run = factories.good_run()
    first = run.iterations[0]
    seeds = tuple(seed.model_copy(update={"folds": (seed, seed)}) for seed in first.envelope.seeds)
    first = first.model_copy(update={"envelope": first.envelope.model_copy(update={"seeds": seeds})})
    paths = report.write(run.model_copy(update={"iterations": (first, *run.iterations[1:])}), tmp_path)
    facts = json.loads(paths.evaluations[0].read_text())["facts"]
    assert len(facts["seeds"][0]["folds"]) == 2
    assert "claims" not in json.dumps(facts)


def curve(analysis):
    """Cells of the thinned learning curve, row by row."""
    section = analysis.split("| Epoch | Seeds |")[1]
    return [line.strip("| ").split(" | ") for line in section.splitlines()[2:]]


def with_claims(run, **changes):
    """``run``, whose winner's training workers told something else."""
    won = run.iterations[3]
    seeds = tuple(
        seed.model_copy(update={"train_claims": seed.train_claims.model_copy(update=changes)})
        for seed in won.envelope.seeds
    )
    won = won.model_copy(update={"envelope": won.envelope.model_copy(update={"seeds": seeds})})
    return run.model_copy(update={"iterations": (*run.iterations[:3], won, *run.iterations[4:])})


def test_the_analysis_shows_a_few_epochs_of_the_winners_learning_curve(tmp_path):
    rows = curve(report.write(factories.good_run(), tmp_path).statistical_analysis.read_text())
    assert [row[0] for row in rows] == ["1", "5", "8", "12", "15", "19", "22", "26", "29", "33", "36", "40"]
    losses = sorted(factories.claims(k).train_loss[4] for k in range(3))
    assert rows[1] == ["5", "3", *(f"{losses[k]:.4f}" for k in (1, 0, 2)), "—"]


def test_a_curve_that_was_thinned_keeps_its_epochs_and_held_out_rows_their_own(tmp_path):
    told = with_claims(factories.good_run(), epochs=1001, train_loss=(3.0, 2.0, 1.0), held_out_loss=(4.0, 3.5, 3.25))
    rows = curve(report.write(told, tmp_path).statistical_analysis.read_text())
    assert [(row[0], row[2], row[5]) for row in rows] == [
        ("1", "3.0000", "4.0000"),
        ("501", "2.0000", "3.5000"),
        ("1,001", "1.0000", "3.2500"),
    ]


def drawn(run, directory):
    """The section with the learning curves on the page; empty where there is none."""
    page = report.write(run, directory).html.read_text()
    return "".join(page.split('<h3>Learning curves <span class="claim">claim</span></h3>')[1:]).split("<h3>")[0]


def held_out_lines(drawing):
    """Lines in the muted colour, but for the strokes of letters."""
    return drawing.count("stroke: var(--muted)") - drawing.count("stroke: var(--muted); stroke-width: 0.6")


def test_the_page_draws_a_learning_curve_for_each_seed_that_left_one(tmp_path):
    """One line a seed, a thinner one for rows held back, and no drawing where nobody told of any losses."""
    line = "stroke: var(--accent); stroke-width: 1.6"
    run = factories.good_run()
    plain = drawn(run, tmp_path / "a")
    assert plain.count("<svg") == 1
    assert plain.count(line) == 3
    held = drawn(with_claims(run, held_out_loss=factories.claims(0).train_loss), tmp_path / "b")
    assert held.count(line) == 3
    assert (held_out_lines(plain), held_out_lines(held)) == (0, 3)
    assert drawn(with_claims(run, train_loss=(1.0, 0.5)), tmp_path / "c") != plain
    assert drawn(with_claims(run, train_loss=()), tmp_path / "d") == ""


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


def test_a_metric_that_the_rows_do_not_define_has_a_row_that_says_why(tmp_path):
    paths = report.write(factories.regression_run(), tmp_path)
    why = "not defined on these rows: a target is the same in every row"
    tested, on_validation = paths.statistical_analysis.read_text().split("on validation\n", 1)
    row = f"| R2 | — | — | — | — | — | — | {why} |"
    assert (row in tested, row in on_validation) == (True, False)
    assert f'<td>R2</td><td colspan="5">{why}</td>' in paths.html.read_text()
    assert json.loads(paths.final.read_text())["score"]["undefined"] == {"r2": "a target is the same in every row"}


def test_many_classes_show_their_worst_mistakes_instead_of_a_matrix(tmp_path):
    run = factories.good_run()
    size = 30
    matrix = tuple(tuple(50 if t == p else (7 if (t, p) == (3, 4) else 0) for p in range(size)) for t in range(size))
    mistake = Mistake(true="3", predicted="4", count=7, rate=7 / 57, interval=factories.rate_interval(7 / 57))
    score = run.final.score.model_copy(update={"confusion": matrix, "classes": (), "mistakes": (mistake,)})
    run = run.model_copy(update={"final": run.final.model_copy(update={"score": score})})
    paths = report.write(run, tmp_path)
    assert "| 3 | 4 | 7 | 0.123 | [0.061, 0.561] |" in paths.statistical_analysis.read_text()
    assert "[0.061, 0.561]" in paths.html.read_text()
    assert 'class="heat"' not in paths.html.read_text()


def methods_of_a_score(task, seeds):
    """Every name that an interval of a measured score, or of a comparison, has."""
    rng, rows = np.random.default_rng(0), 60
    targets = rng.normal(size=(rows, 1)) if task is Task.REGRESSION else np.arange(rows) % 7
    answers = targets if task is Task.REGRESSION else np.eye(7)[targets]
    new, old = ([(answers + rng.normal(size=answers.shape)).astype(np.float32) for _ in range(seeds)] for _ in "ab")
    arguments = {
        "task": task,
        "metric": "r2" if task is Task.REGRESSION else "accuracy",
        "class_names": () if task is Task.REGRESSION else tuple("abcdefg"),
        "baseline": Baseline.fit(targets, task, answers.shape[1]),
    }
    found, compared = score(new, targets, split="validation", **arguments), compare(new, old, targets, **arguments)
    parts = [*found.classes, *found.mistakes, *found.calibration, *found.metrics.values()]
    intervals = [getattr(part, name, None) for part in parts
                 for name in ("interval", "precision_interval", "recall_interval", "f1_interval")]  # fmt: skip
    return {one.method for one in (*intervals, *found.primary.shown_beside, compared.interval) if one is not None}


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("task", list(Task))
def test_every_method_that_a_score_names_is_described_with_its_measured_coverage(task, seeds):
    names = methods_of_a_score(task, seeds)
    assert len(names) > 4
    if task is Task.CLASSIFICATION and seeds == 3:
        starts = ("seeds and", "most frequent", "t with", "percentile", "BCa", "paired", "Wilson")
        assert all(any(name.startswith(start) for name in names) for start in starts)
    for name in names:
        source, *scale = methods.describe(name)
        where = scale[0] if name.startswith("seeds and examples") else source  # which depends on the metric's scale
        assert re.search(r"Simulated coverage at level 0\.95[^.]*: [01]\.\d\d", where), name


def test_descriptions_of_methods_are_shown_whole(tmp_path):
    names = [f"{source}, {scale}" for source in methods._SOURCES for scale in methods._SCALES]
    assert all(len(plain(part)) == len(part) for name in names for part in methods.describe(name))
    paths = report.write(factories.good_run(), tmp_path)
    assert "several times the mean error rate." in paths.statistical_analysis.read_text()
    assert "several times the mean error rate.</dd>" in paths.html.read_text()


def test_the_analysis_gives_intervals_by_class_mistakes_and_calibration(tmp_path):
    paths = report.write(factories.good_run(), tmp_path)
    analysis = paths.statistical_analysis.read_text()
    for row in ("| adelie | 30 | 0.970 | [0.485, 0.985] | 0.960 | [0.480, 0.980] | 0.965 | — |",
                "| chinstrap | adelie | 3 | 0.071 | [0.036, 0.536] |",
                "| 0.933 to 1.000 | 195 | 0.980 | 0.970 | [0.485, 0.985] |"):  # fmt: skip
        assert analysis.count(row) == 2, row  # sealed test, and validation
    assert "Wilson, seeds counted as one" in analysis
    page = paths.html.read_text()
    assert "Share of right predictions by probability" in page
    assert "calibration-" in page
    document = json.loads(paths.final.read_text())["score"]
    assert document["mistakes"][0]["interval"]["low"] == pytest.approx(1.5 / 42)
    assert document["calibration"][1]["count"] == 195
    assert document["classes"][0]["recall_interval"]["high"] == pytest.approx(0.98)


def fitted(analysis):
    """Lines of the table that follows the winner from training rows to the sealed test."""
    section = analysis.split("## From training to test")[1].split("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith(("| train slice", "| valid", "| sealed", "| gap"))]


def test_the_winner_is_followed_from_training_to_the_sealed_test_with_claims_marked(tmp_path):
    paths = report.write(factories.good_run(), tmp_path)
    assert fitted(paths.statistical_analysis.read_text()) == [
        "| train slice | 206 | 0.0400 | 0.9950 | claim |",
        "| validation | 69 | 0.2370 [0.1970, 0.2770] | 0.9630 [0.9510, 0.9750] | measured |",
        "| sealed test | 69 | 0.2190 [0.1790, 0.2590] | 0.9810 [0.9690, 0.9930] | measured |",
        "| gap, train slice to validation | | 0.1970 | 0.0320 | partly claim |",
        "| gap, validation to sealed test | | -0.0180 | -0.0180 | measured |",
    ]
    page = paths.html.read_text()
    assert '<td>train slice <span class="claim">claim</span></td><td class="n">0.040</td>' in page
    assert '<td>gap, validation to sealed test</td><td class="n">-0.018</td>' in page


def test_regression_is_followed_too_in_the_targets_own_units(tmp_path):
    paths = report.write(factories.regression_run(), tmp_path)
    rows = fitted(paths.statistical_analysis.read_text())
    assert rows[0] == "| train slice | 264 | 40.500 | 0.7000 | claim |"
    assert rows[3:] == [
        "| gap, train slice to validation | | 13.700 | 0.1955 | partly claim |",
        "| gap, validation to sealed test | | 2.6000 | — | measured |",  # R2 is not defined on the test rows
    ]
    assert "From training to test" not in report.write(factories.failing_run(), tmp_path / "f").html.read_text()


def test_a_metric_that_no_claim_knows_is_followed_from_validation_on():
    run = factories.good_run()
    found = fit.of(factories.score(0.9, "validation").model_copy(update={"metric": "f1_macro"}), [factories.claims(0)])
    assert found.metrics == ("log_loss", "accuracy", "f1_macro")
    assert found.gaps[0].values.keys() == {"log_loss", "accuracy"}
    assert fit.fit(run).rows[0].values["accuracy"] == pytest.approx(0.995)


def test_seeds_without_a_train_slice_are_left_out_of_its_mean_and_the_reason_is_told(tmp_path):
    run = factories.good_run()

    def written(said, why, folder):
        won = run.iterations[3]
        won = won.model_copy(update={"envelope": factories.told(won.envelope, said, why)})
        history = (*run.iterations[:3], won, *run.iterations[4:])
        paths = report.write(run.model_copy(update={"iterations": history}), tmp_path / folder)
        return paths.statistical_analysis.read_text()

    some = written(lambda k: TrainSlice(rows=9, loss=None, accuracy=0.5) if k == 1 else None, "<b>too slow</b>", "a")
    assert fitted(some)[0] == "| train slice | 9 | — | 0.5000 | claim |"
    assert "A seed left no train slice: \\<b\\>too slow" in some
    assert [line.split(" | ")[0] for line in fitted(written(lambda _: None, "", "b"))] == [
        "| validation",
        "| sealed test",
        "| gap, validation to sealed test",
    ]


def test_claims_of_any_size_leave_finite_numbers():
    most = TrainSlice(rows=1, loss=caps.TRAIN_SLICE_NUMBER, r2=-caps.TRAIN_SLICE_NUMBER)
    claims = [factories.claims(k).model_copy(update={"train_slice": most}) for k in range(caps.SEEDS)]
    found = fit.of(factories.regression_score(60.0, "validation"), claims)
    assert all(math.isfinite(value) for value in (*found.rows[0].values.values(), *found.gaps[0].values.values()))


def test_comparisons_with_the_incumbent_are_shown_and_claimed_only_after_correction(tmp_path):
    run = factories.good_run()
    assert "Comparisons with the incumbent" not in report.write(run, tmp_path / "a").statistical_analysis.read_text()
    found = (factories.comparison(0.069, 0.0004, 0.0036), factories.comparison(0.008, 0.02, 0.18))
    history = list(run.iterations)
    for index, one in zip((3, 5), found, strict=True):
        decision = history[index].decision.model_copy(update={"comparison": one})
        history[index] = history[index].model_copy(update={"decision": decision})
    analysis = report.write(run.model_copy(update={"iterations": tuple(history)}), tmp_path / "b").statistical_analysis
    shown = analysis.read_text()
    assert "| 4 | 0.0690 | [0.0440, 0.0940] | 0.0100 | 7.4 | 0.0004 | 0.0036 | yes |" in shown
    assert "| 6 | 0.0080 | [-0.0170, 0.0330] | 0.0100 | 7.4 | 0.0200 | 0.1800 | no |" in shown
    assert "Welch, 1947" in shown


def one_iteration_run():
    """Nothing was compared with an incumbent, and the winner with a baseline."""
    run = factories.good_run()
    plain = factories.rate_interval(0.9).model_copy(update={"method": "examples only (one seed), score"})
    score = run.final.score
    alone = score.primary.model_copy(update={"interval": plain})
    score = score.model_copy(update={"metrics": {**score.metrics, score.metric: alone}})
    best = SealedBaseline(
        name="forest", label="a forest", score=score, comparison=factories.comparison(0.02, 0.01, 0.01)
    )
    final = run.final.model_copy(update={"iteration": 1})
    changes = {"iterations": run.iterations[:1], "incumbent": 1, "final": final, "baseline_final": best}
    return run.model_copy(update=changes)


def test_the_comparison_with_a_baseline_is_described_where_there_is_no_other(tmp_path):
    run = one_iteration_run()
    named = {method.name: method.description for method in methods.intervals(run)}
    assert "Welch, 1947" in named["paired comparison, seeds and examples (95%)"][0]
    assert "there was one seed" in named["examples only (one seed), score (95%)"][0]
    paths = report.write(run, tmp_path)
    assert "Welch, 1947" in paths.statistical_analysis.read_text()
    assert "Welch, 1947" in paths.html.read_text()
    bare = run.model_copy(update={"baseline_final": None})
    assert not any(method.name.startswith("paired") for method in methods.intervals(bare))


def test_the_parameters_of_the_methods_are_told(tmp_path):
    paths = report.write(one_iteration_run(), tmp_path)
    for page in (paths.statistical_analysis.read_text(), paths.html.read_text()):
        assert f"{bootstrap.DRAWS:,} draws from NumPy" in page
        assert f"seed {bootstrap.SEED} for every score" in page
        assert f"{probability.CALIBRATION_BINS} bins of equal width" in page
        assert "one-sided at level 0.95: no candidate was judged before it had all its seeds." in page
    assert methods.parameters(factories.failing_run()) == ()
    (racing,) = methods.parameters(without_bootstrap(factories.regression_run()))
    assert racing.startswith("Racing")


def without_bootstrap(run):
    def bare(score):
        metrics = {n: one.model_copy(update={"shown_beside": ()}) for n, one in score.metrics.items()}
        return score.model_copy(update={"metrics": metrics})

    history = tuple(one.model_copy(update={"score": bare(one.score)}) for one in run.iterations)
    final = run.final.model_copy(update={"score": bare(run.final.score)})
    return run.model_copy(update={"iterations": history, "final": final})


def test_racing_is_told_with_how_many_seeds_it_took():
    run = factories.good_run()
    first, second, *rest = run.iterations
    staged = first.model_copy(update={"envelope": first.envelope.model_copy(update={"stages": (2, 1), "planned": 3})})
    short = second.envelope.model_copy(update={"stages": (2,), "planned": 3, "seeds": second.envelope.seeds[:2]})
    run = run.model_copy(update={"iterations": (staged, second.model_copy(update={"envelope": short}), *rest)})
    assert "2 of 6 candidates judged after 2 of 3 seeds, 1 given up." in methods.parameters(run)[-1]


def test_settings_that_a_candidates_own_trainer_may_have_ignored_are_named_everywhere(tmp_path):
    run = with_claims(factories.good_run(), own_train=True)
    said = "own train: the asked settings (epochs) were not enforced"
    paths = report.write(run, tmp_path / "a")
    for path in (paths.statistical_analysis, paths.research_summary, paths.html):
        assert plain_text(path).count(said) == 1, path.name
    analysis = paths.statistical_analysis.read_text()
    assert "Claim: own train" in analysis.split("### Iteration 4")[1].split("### Iteration 5")[0]
    unasked = run.model_copy(update={"settings": factories.settings(overrides={})})
    for number, other in enumerate((unasked, factories.good_run())):
        assert "own train" not in report.write(other, tmp_path / f"{number}").statistical_analysis.read_text()


def plain_text(path):
    return path.read_text().replace("\\", "")


def test_finalists_are_shown_with_what_fresh_seeds_gave_and_the_noise_that_they_measured(tmp_path):
    run = factories.settled_run()
    written = report.write(run, tmp_path)
    page = written.statistical_analysis.read_text().split("## Finalists on fresh seeds")[1].split("## ")[0]
    won, lost = (line for line in page.splitlines() if line.startswith("| 4 |") or line.startswith("| 6 |"))
    assert won.endswith("| winner |")
    assert "every seed failed" in lost
    old, new = (one.score.primary.values for one in (run.iterations[3], run.remeasured[0]))
    both, alone = np.array([*old, *new]), np.array(run.iterations[5].score.primary.values)
    assert f"{both.mean():.4f}" in won
    pooled = np.sqrt((both.var() * len(both) + alone.var() * len(alone)) / (len(both) + len(alone) - 2))
    assert f"a standard deviation of {pooled:.4f} over seeds (7 degrees of freedom)" in page
    fresh = json.loads((tmp_path / "experiments" / "evaluations" / "004-fresh.json").read_text())
    assert fresh["score"]["metrics"]["accuracy"]["values"] == list(new)


def test_a_run_without_finalists_says_nothing_of_them(tmp_path):
    assert "Finalists" not in report.write(factories.good_run(), tmp_path).statistical_analysis.read_text()
