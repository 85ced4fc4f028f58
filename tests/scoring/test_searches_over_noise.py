"""Searches where nothing can be learned: labels are coin flips, so every candidate's true accuracy is one half.

The best of many is picked on validation and measured once on the sealed test. A goal of exactly one half is true, and
that just is: a bound that reaches it is a claim by luck, which the level allows in 2.5% of searches (one end of a
two-sided 95% interval). Candidates are as alike as networks are: seeds of one agree on most examples.
"""

import numpy as np
import pytest
from scipy.stats import binom

from fumehood.decision import goal_achieved
from fumehood.records import Goal
from fumehood.scoring.baseline import Baseline
from fumehood.scoring.score import score
from fumehood_shared.messages import Task

pytestmark = pytest.mark.evaluation
ROWS, CANDIDATES, SEEDS = 120, 8, 3


def search(rng, agreement):
    """Labels of validation and test, and per candidate the predictions on both, which know nothing of them."""
    labels = rng.integers(0, 2, (2, ROWS))
    guesses = []
    for _ in range(CANDIDATES):
        common, own = rng.standard_normal((2, 1, ROWS)), rng.standard_normal((2, SEEDS, ROWS))
        margin = np.sqrt(agreement) * common + np.sqrt(1 - agreement) * own
        guesses.append(np.stack([margin, -margin], axis=-1).astype(np.float32))
    return labels, guesses


def measured(predictions, labels, split, level=0.95):
    arguments = {"task": Task.CLASSIFICATION, "metric": "accuracy", "class_names": ("tails", "heads")}
    baseline = Baseline.fit(labels, Task.CLASSIFICATION, 2)
    return score(list(predictions), labels, split=split, baseline=baseline, level=level, bootstrap_draws=0, **arguments)


def outcome(rng, agreement):
    """Whether the winner's sealed test meets the goal, and by how much validation flattered it."""
    labels, guesses = search(rng, agreement)
    means = [(g[0].argmax(axis=-1) == labels[0]).mean() for g in guesses]
    best = int(np.argmax(means))
    final = measured(guesses[best][1], labels[1], "test")
    goal = Goal(text="guess coins", metric="accuracy", direction="max", target=0.5)
    return goal_achieved(final, goal), means[best] - final.primary.mean


@pytest.mark.parametrize("agreement", [0.3, 0.9])
def test_searches_over_noise_meet_no_more_goals_than_the_level_allows(agreement):
    rng, searches = np.random.default_rng(6), 300
    found = [outcome(rng, agreement) for _ in range(searches)]
    assert sum(met for met, _ in found) <= binom.ppf(0.999, searches, 0.025)
    assert np.mean([flattered for _, flattered in found]) > 0.02
