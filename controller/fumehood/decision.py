"""Keep or discard a candidate, and whether to stop: pure functions of scores on validation, the goal and the count.

The rule. A first candidate that survived is kept. Another is kept where its mean is better than the incumbent's by more
than the noise floor: one standard error of the difference, ``sqrt(std1**2 / n1 + std2**2 / n2)`` over seeds. Both were
measured on the same examples, whose difficulty they share, so what remains of the doubt is mostly the seeds'. A side
that shows no spread over seeds (one seed, or seeds alike) counts as one seed with the spread of the candidates that
were kept before. Where there is none, its interval over examples stands in for it, divided by the normal quantile,
which is too wide rather than too narrow.

What the rule is not: a claim. One standard error is passed by one equal candidate in six, and the best of many looks
better than it is; the sealed test, opened once, is what claims rest on. Nothing here knows of the test set.
"""

from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING

from fumehood.records import (
    Comparison,
    Decision,
    Envelope,
    Goal,
    Interval,
    Iteration,
    MetricSummary,
    Remeasured,
    Score,
    StopReason,
    Verdict,
)

if TYPE_CHECKING:
    from fumehood.scoring.noise import SeedSpread


def decide(
    score: Score | None,
    incumbent: Score | None,
    goal: Goal,
    *,
    envelope: Envelope,
    comparison: Comparison | None,
    spread: "SeedSpread | None",
    iteration: int,
    max_iterations: int,
    budget_left: bool,
) -> Decision:
    """Judge one candidate. ``score`` None: every seed failed. ``comparison``: with the incumbent, to be noted.
    ``spread``: over seeds, of the candidates kept before.

    ``iteration`` counts from 1. ``stop`` is the goal's before the iterations' before the budget's.
    """
    verdict, reason = _judge(score, incumbent, goal, envelope, spread)
    if envelope.repeats:
        verdict, reason = Verdict.DISCARD, f"The same source as iteration {envelope.repeats}, and not run again."
    if envelope.given_up:
        verdict, tried = Verdict.DISCARD, f"{len(envelope.seeds)} of {envelope.planned} seeds"
        reason = f"Given up after {tried}. {reason}"
    best = score if verdict is Verdict.KEEP else incumbent
    stop = _stop(best, goal, iteration >= max_iterations, budget_left)
    return Decision(verdict=verdict, reason=reason, stop=stop, comparison=comparison)


def finalists(iterations: Sequence[Iteration], incumbent: int | None, goal: Goal, most: int) -> tuple[int, ...]:
    """Numbers of at most ``most`` iterations that may be the best: the incumbent, and those within the noise floor.

    Best first after the incumbent; empty without one. ``iterations`` in the order of their numbers, from 1.
    """
    if incumbent is None:
        return ()
    best = _primary(iterations[incumbent - 1], goal)
    near: list[tuple[float, int]] = []
    for one in iterations:
        found = _primary(one, goal)
        if one.number == incumbent or found is None or best is None or one.envelope.given_up or one.envelope.repeats:
            continue
        if beyond_limits(one.envelope, goal):
            continue
        short = -_gain(found, best)
        if short <= (noise_floor(found, best) or 0.0):
            near.append((short, one.number))
    return (incumbent, *(number for _, number in sorted(near)[: most - 1]))


def winner(iterations: Sequence[Iteration], remeasured: Sequence[Remeasured], goal: Goal) -> int | None:
    """Number of the finalist with the best mean over all its seeds, those of the search and fresh ones alike.

    The first of equals. A finalist of which no fresh seed survived, or that is beyond a limit of the goal, cannot win;
    None if none can.
    """
    means: list[tuple[float, int]] = []
    for place, one in enumerate(remeasured):
        if one.score is None or one.score.failed_seeds >= one.score.n_seeds:
            continue
        if beyond_limits(one.envelope, goal):
            continue
        earlier = iterations[one.iteration - 1].score
        values = [*one.score.metrics[goal.metric].values, *(earlier.metrics[goal.metric].values if earlier else ())]
        mean = sum(values) / len(values)
        means.append((-mean if goal.direction == "max" else mean, place))
    return remeasured[min(means)[1]].iteration if means else None


def parameters(envelope: Envelope) -> int | None:
    """Largest number of parameters over the seeds, a fact; None where none is known."""
    return max((seed.parameters for seed in envelope.seeds if seed.parameters is not None), default=None)


def train_seconds(envelope: Envelope) -> float | None:
    """Longest wall time of a train room, a fact of the controller's clock; None where there was none."""
    return max((room.wall_s for room in envelope.rooms if room.role == "train"), default=None)


def goal_achieved(final: Score, goal: Goal) -> bool | None:
    """Whether the confidence bound reaches the target; None without a target, False without a bound."""
    if goal.target is None:
        return None
    bound = confidence_bound(final.metrics[goal.metric])
    return bound is not None and _reaches(bound, goal.target, goal)


def confidence_bound(summary: MetricSummary) -> float | None:
    """The end of the interval that a claim may rest on: the lower one, or the upper where less is better."""
    if summary.interval is None:
        return None
    return summary.interval.low if summary.direction == "max" else summary.interval.high


def noise_floor(a: MetricSummary, b: MetricSummary, spread: "SeedSpread | None" = None) -> float | None:
    """One standard error of the difference of two means, in the metric's units; None where nothing tells of noise."""
    errors = [_standard_error(a, spread), _standard_error(b, spread)]
    known = [e for e in errors if e is not None]
    return sqrt(sum(e * e for e in known)) if known else None


def _judge(
    score: Score | None, incumbent: Score | None, goal: Goal, envelope: Envelope, spread: "SeedSpread | None"
) -> tuple[Verdict, str]:
    if score is None or score.failed_seeds >= score.n_seeds:
        return Verdict.DISCARD, "Every seed failed, so there is nothing to keep."
    refused = beyond_limits(envelope, goal)
    if refused:
        return Verdict.DISCARD, refused
    new = score.metrics[goal.metric]
    if incumbent is None:
        return Verdict.KEEP, f"First candidate that survived: {_described(new)}; baseline {_number(score.baseline)}."
    return _compare(new, incumbent.metrics[goal.metric], spread)


def beyond_limits(envelope: Envelope, goal: Goal) -> str:
    """Which limit of the goal the facts are beyond, in one sentence; empty where they are within all."""
    return _too_large(parameters(envelope), goal) or _too_slow(train_seconds(envelope), goal)


def _too_large(parameters: int | None, goal: Goal) -> str:
    if goal.max_parameters is None:
        return ""
    if parameters is None:
        return f"The goal allows {goal.max_parameters:,} parameters and this candidate's number is not known."
    if parameters > goal.max_parameters:
        return f"It has {parameters:,} parameters and the goal allows {goal.max_parameters:,}."
    return ""


def _too_slow(seconds: float | None, goal: Goal) -> str:
    if goal.max_train_s is None:
        return ""
    if seconds is None:
        return f"The goal allows {goal.max_train_s:g} s of training and this candidate's time is not known."
    if seconds > goal.max_train_s:
        return f"Its training took {seconds:.1f} s and the goal allows {goal.max_train_s:g} s."
    return ""


def _compare(new: MetricSummary, old: MetricSummary, spread: "SeedSpread | None") -> tuple[Verdict, str]:
    gain = _gain(new, old)
    floor = noise_floor(new, old, spread)
    both = f"{_described(new)} against the incumbent's {_number(old.mean)}"
    if gain <= 0:
        return Verdict.DISCARD, f"Not better: {both}."
    if floor is None:
        return Verdict.KEEP, f"Better by {_number(gain)}: {both}; nothing tells how large the noise is."
    if gain > floor:
        return Verdict.KEEP, f"Better by {_number(gain)}, more than the noise floor of {_number(floor)}: {both}."
    return Verdict.DISCARD, f"Better by {_number(gain)}, within the noise floor of {_number(floor)}: {both}."


def _gain(new: MetricSummary, old: MetricSummary) -> float:
    return new.mean - old.mean if new.direction == "max" else old.mean - new.mean


def _primary(one: Iteration, goal: Goal) -> MetricSummary | None:
    """None where every seed failed."""
    score = one.score
    return None if score is None or score.failed_seeds >= score.n_seeds else score.metrics[goal.metric]


def _standard_error(summary: MetricSummary, spread: "SeedSpread | None") -> float | None:
    if summary.std:
        return summary.std / sqrt(len(summary.values))
    if spread is not None and spread.std:
        return spread.std
    return None if summary.interval is None else _implied(summary.interval)


def _implied(interval: Interval) -> float:
    return (interval.high - interval.low) / 2 / NormalDist().inv_cdf((1 + interval.level) / 2)


def _stop(best: Score | None, goal: Goal, last: bool, budget_left: bool) -> StopReason | None:
    if best is not None and goal_achieved(best, goal):
        return StopReason.GOAL_MET
    if last:
        return StopReason.ITERATIONS
    return None if budget_left else StopReason.BUDGET


def _reaches(value: float, target: float, goal: Goal) -> bool:
    return value >= target if goal.direction == "max" else value <= target


def _described(summary: MetricSummary) -> str:
    count = len(summary.values)
    spread = "" if summary.std is None else f" ± {_number(summary.std)}"
    return f"{summary.name} {_number(summary.mean)}{spread} over {count} seed{'' if count == 1 else 's'}"


def _number(value: float) -> str:
    # Equal values can differ from their mean in the last bit.
    return f"{0.0 if abs(value) < 1e-12 else value:.4g}"
