"""No cheat scores above its honest twin, or it is rejected with a reason; none scores more than its predictions do."""

from pathlib import Path

import pytest

from cheats import kit
from cheats.kit import CHEATS, UNSTOPPED, Attempt, Cheat, Trial

pytestmark = [pytest.mark.attacks, pytest.mark.integration, pytest.mark.slow, pytest.mark.xdist_group("cheats")]

LUCK = 0.06
"""Seeds and the last digits of a training differ by this much in accuracy on 359 rows: two standard errors of two."""


def test_there_is_a_row_for_every_file_and_a_file_for_every_row() -> None:
    files = {path.stem for path in (Path(kit.__file__).parent / "candidates").glob("*.py")}
    assert files == {cheat.name for cheat in (*CHEATS, UNSTOPPED)}


def test_the_honest_twin_is_worth_comparing_with(honest: Trial) -> None:
    assert honest.rejections == ()
    assert honest.value > 0.85
    looks = [seed.second_look for seed in honest.envelope.seeds]
    assert all(look and (look.repeated, look.disagreeing) == (256, 0) for look in looks)
    assert all(look and look.flipped < 5 for look in looks), (
        "rows at a boundary, by the secret order of this laboratory"
    )


@pytest.mark.parametrize("cheat", CHEATS, ids=lambda cheat: cheat.name)
def test_a_cheat_gains_nothing(cheat: Cheat, honest: Trial, attempt: Attempt) -> None:
    trial = attempt(cheat)
    if cheat.rejected is not None:
        assert trial.score is None
        assert {one.kind for one in trial.rejections} == {cheat.rejected.value}
        assert all(len(one.reason) > 20 for one in trial.rejections)
        return
    assert trial.score is not None, trial.rejections
    baseline = [trial.score.baseline] * trial.score.failed_seeds
    assert sorted(trial.score.primary.values) == pytest.approx(sorted([*trial.deserved, *baseline]))
    assert trial.value <= honest.value + LUCK


def test_whoever_crashes_a_seed_scores_as_the_baseline_there(honest: Trial, attempt: Attempt) -> None:
    trial = attempt(named("unlucky_seeds"))
    assert trial.score is not None
    assert (trial.score.failed_seeds, trial.value < honest.value - 0.3) == (1, True)


def test_seeds_that_are_one_count_as_one(attempt: Attempt) -> None:
    score = attempt(named("fixed_random_state")).score
    assert score is not None
    assert score.primary.interval is not None
    assert "seeds indistinguishable" in score.primary.interval.method


def test_size_is_counted_and_not_told(attempt: Attempt) -> None:
    (seed,) = attempt(named("small_claim")).envelope.seeds
    assert seed.train_claims is not None
    assert seed.train_claims.summary is not None
    assert (seed.train_claims.summary.parameters, (seed.parameters or 0) > 100_000) == (7, True)


def test_no_seed_meets_another(attempt: Attempt) -> None:
    assert attempt(named("other_seeds")).envelope.log_tail.count("others: 0") == 2


def test_a_table_that_rounds_is_not_stopped(attempt: Attempt) -> None:
    """What the threat model says: labels that are public can be carried in a source. Judge on private data."""
    assert attempt(UNSTOPPED).value == 1.0


def named(name: str) -> Cheat:
    return next(cheat for cheat in CHEATS if cheat.name == name)
