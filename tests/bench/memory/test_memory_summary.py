"""What the bench of the memory makes of pairs of searches: worked by hand."""

import pytest

from bench.memory.summary import ENOUGH_FAILURES, Pair, Search, summary

pytestmark = pytest.mark.unit


def search(*scores: float | None, failing: str = "timeout") -> Search:
    return Search(scores, tuple(failing if score is None else "" for score in scores))


def pair(task: str, without: Search, remembering: Search, known: frozenset[str] = frozenset({"timeout"})) -> Pair:
    return Pair(task, 0, 0.9, without, remembering, known)


def test_iterations_are_counted_to_the_target_and_one_more_where_it_is_not_reached():
    assert search(0.5, None, 0.9).reaches(0.9) == 3
    assert search(0.5, 0.6).reaches(0.9) == 3
    assert pair("a", search(0.1, 0.2, 0.3, 0.9), search(0.9, 0.1, 0.1, 0.1)).iterations_saved == 0.75
    assert pair("a", search(0.9), search(0.1)).iterations_saved == -1


def test_only_failures_that_others_knew_count_as_repeated():
    one = search(None, 0.5, None)
    assert (one.repeated(frozenset({"timeout"})), one.repeated(frozenset({"oom"}))) == (2, 0)


def test_a_memory_that_helps_everywhere_alike_is_told_with_a_narrow_interval():
    failing = [None] * 5
    pairs = [
        pair(task, search(*failing, 0.5, 0.9), search(None, 0.9, *[0.5] * 5)) for task in "abcdefgh" for _ in range(2)
    ]
    found = summary(pairs)
    assert found["iterations_saved"]["median"] == pytest.approx(1 - 2 / 7)
    assert found["iterations_saved"]["interval"] == pytest.approx([1 - 2 / 7, 1 - 2 / 7])
    assert found["repeated_failures_saved"]["median"] == pytest.approx(0.8)
    assert (found["repeated_failures_saved"]["without"], found["repeated_failures_saved"]["with"]) == (80, 16)
    assert (found["pairs"], found["tasks"]) == (16, dict.fromkeys("abcdefgh", 2))


def test_a_memory_that_does_nothing_is_told_so():
    pairs = [pair(task, search(0.5, 0.9), search(0.5, 0.9)) for task in "abcd"]
    found = summary(pairs)
    assert (found["iterations_saved"]["median"], found["best_score_gained"]["mean"]) == (0, 0)


def test_pairs_of_one_family_are_drawn_together():
    """Of two families one gained and one lost nothing: whichever is drawn, with however many pairs, is all there is."""
    gained = [pair(f"rings-{n}", search(0.5, 0.5, 0.5, 0.9), search(0.9)) for n in range(9)]
    found = summary([*gained, pair("breast_cancer", search(0.9), search(0.9))])
    assert found["iterations_saved"]["interval"] == [0, 0.75]
    assert summary(gained)["iterations_saved"]["interval"] is None


def test_too_few_failures_say_nothing_about_failures():
    failures = ENOUGH_FAILURES - 1
    found = summary([pair("a", search(*[None] * failures), search(0.9)), pair("b", search(0.9), search(0.9))])
    assert found["repeated_failures_saved"]["median"] is None
    assert "inconclusive" in found["repeated_failures_saved"]["why"]
