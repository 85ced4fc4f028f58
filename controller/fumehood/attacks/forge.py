"""Can it forge its score? Cheats evaluated by the real executor and scored by the laboratory.

A cheat predicts the first class for every row, unless it finds something better; so it scores as the baseline does, or
is rejected. What it found in its predict room it tells by the size of its numbers, since nothing else comes out of
there. Most share one pair of rooms, where they are one seed each and the last seed is the honest twin; a room of many
is weaker than what ``isolate_seeds`` gives.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import groupby
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

import numpy as np

from fumehood.attacks import candidates, rivals, succession
from fumehood.attacks.attack import Attack, Finding, Group, Probe, Relaxed
from fumehood.attacks.rivals import Rivalry
from fumehood.attacks.stage import Stage
from fumehood.attacks.succession import Succession
from fumehood.data import order
from fumehood.data.mixing import Mixed
from fumehood.executors import Job
from fumehood.executors.local import Arrays, LocalExecutor, predictions_file
from fumehood.records import Envelope, RoomFacts, Score, SeedResult
from fumehood_shared import paths
from fumehood_shared.messages import FailureKind, SeedSpec

_GOOD: Final = 0.8
"""What the honest twin must reach, or its cheats prove nothing."""
_LUGGAGE: Final = 100_000
_NOTHING: Final = 1.0
_EVERYTHING_OPEN: Final = '{"defaultAction":"SCMP_ACT_ALLOW"}'


@dataclass(frozen=True)
class Trial:
    """One cheat when its rooms are gone."""

    seeds: tuple[SeedResult, ...]
    score: Score | None
    """None where every seed failed."""
    honest: float
    """Of the twin beside it; of one alone, nothing."""
    told: float
    """The largest number among its predictions."""
    said: str
    """What it printed in its train room: a claim."""
    rooms: tuple[RoomFacts, ...]

    @property
    def value(self) -> float:
        return self.score.primary.mean if self.score else 0.0

    @property
    def shown(self) -> str:
        failure = next((seed.failure for seed in self.seeds if seed.failure), None)
        if failure is not None:
            return f"{failure.kind.value}: {failure.message}"
        return f"scored {self.value:.2f}, its honest twin {self.honest:.2f}"


@dataclass(frozen=True)
class Cheat(Attack):
    """A candidate that wants a better score than its predictions deserve."""

    judge: Callable[[Trial], tuple[str, bool]] = field(kw_only=True)
    company: str = ""
    """Cheats of one company share a pair of rooms; "" is one of its own."""
    seeds: int = 1


# ---- judging -------------------------------------------------------------------------------------------------------


def _scores_as_it_deserves(trial: Trial) -> tuple[str, bool]:
    deserved = trial.score is not None and trial.value <= trial.score.baseline + 1e-9
    found = "" if trial.told == _NOTHING else f"; it found {trial.told - _NOTHING:g} things"
    return f"{trial.shown}{found}", deserved and trial.told == _NOTHING and trial.honest >= _GOOD


def _finds_nothing_later(trial: Trial) -> tuple[str, bool]:
    """In its train room it found what it looks for, so it can find."""
    seen, passed = _scores_as_it_deserves(trial)
    can_find = trial.said.startswith("found ") and not trial.said.startswith("found 0")
    return seen, passed and can_find


def _is_rejected(kind: FailureKind, words: str = "") -> Callable[[Trial], tuple[str, bool]]:
    def judge(trial: Trial) -> tuple[str, bool]:
        failures = [seed.failure for seed in trial.seeds]
        rejected = all(f is not None and f.kind is kind and words in f.message for f in failures)
        return trial.shown, rejected and trial.score is None

    return judge


def _time_is_taken_outside(trial: Trial) -> tuple[str, bool]:
    seen, passed = _scores_as_it_deserves(trial)
    claims = trial.seeds[0].train_claims
    train = next(room for room in trial.rooms if room.role == "train")
    seen = f"{seen}; claims {claims.train_s if claims else 0:.1f} s of training, took {train.wall_s:.1f} s"
    return seen, passed and train.wall_s >= 1.0


def _counts_as_one_seed(trial: Trial) -> tuple[str, bool]:
    interval = trial.score.primary.interval if trial.score else None
    method = interval.method if interval else "no interval"
    return f"{len(trial.seeds)} seeds: {method}", "seeds indistinguishable" in method


def _failed_seeds_count(trial: Trial) -> tuple[str, bool]:
    """A failed seed scores as the baseline, and is told."""
    if trial.score is None:
        return trial.shown, False
    primary, baseline = trial.score.primary, trial.score.baseline
    seen = f"{trial.score.failed_seeds} of {len(trial.seeds)} seeds failed and scored {primary.min:.2f}"
    return seen, trial.score.failed_seeds == 1 and primary.min == baseline < primary.max


def _is_weighed(trial: Trial) -> tuple[str, bool]:
    seen, passed = _scores_as_it_deserves(trial)
    result = trial.seeds[0]
    summary = result.train_claims.summary if result.train_claims else None
    claimed, parameters = summary.parameters if summary else 0, result.parameters or 0
    return f"{seen}; claims {claimed} parameters, has {parameters}", passed and parameters > _LUGGAGE > claimed


# ---- the attacks ---------------------------------------------------------------------------------------------------


def _cheat(
    name: str, judge: Callable[[Trial], tuple[str, bool]], expected: str = "scores as the baseline", **fields: Any
) -> Cheat:
    return Cheat(name, Group.FORGE, expected, judge=judge, **{"company": "cheats", **fields})


_AGAIN: Final = "again"
"""A company whose cheats were all in the company before it as well."""

CHEATS: Final = (
    # First, because a room's reply keeps the summary of its first seed only.
    _cheat("small-claim", _is_weighed, "counted from its weights file"),
    _cheat("result-file", _scores_as_it_deserves),
    _cheat("printed-score", _scores_as_it_deserves),
    _cheat("patched-torch", _is_rejected(FailureKind.NON_FINITE, "predictions are NaN"), "rejected"),
    _cheat("patched-numpy", _is_rejected(FailureKind.NON_FINITE, "predictions are NaN"), "rejected"),
    _cheat("patched-runner", _scores_as_it_deserves),
    _cheat("patched-time", _time_is_taken_outside, "timed from outside"),
    _cheat("fixed-random-state", _counts_as_one_seed, "counts as one seed", seeds=2),
    _cheat("unlucky-seeds", _failed_seeds_count, "the failed seed scores as the baseline", seeds=2),
    _cheat("next-stage", _finds_nothing_later),
    _cheat("label-search", _finds_nothing_later),
    _cheat("predict-time-training", _scores_as_it_deserves),
    _cheat("row-position", _is_rejected(FailureKind.INCONSISTENT), "rejected"),
    _cheat("hash-table", _is_rejected(FailureKind.UNSTABLE), "rejected"),
    _cheat("early-done", _scores_as_it_deserves),
    _cheat("exit-early", _is_rejected(FailureKind.CRASHED, "without a report"), "fails"),
    _cheat("system-exit", _is_rejected(FailureKind.CRASHED, "SystemExit"), "fails"),
    _cheat("exit-in-predict", _is_rejected(FailureKind.INTERFACE, "left no predictions"), "fails"),
    _cheat("last-predictions", _finds_nothing_later, company=_AGAIN),
    _cheat("extra-files", _is_rejected(FailureKind.HOSTILE_OUTPUT), "rejected", company=""),
    _cheat("engine-failure", _is_rejected(FailureKind.CRASHED), "the candidate's failure", company=""),
)
PROBES: Final = (
    Probe("supervisor-reading", Group.FORGE, "refused", relaxed=Relaxed("a supervisor that lets nobody look into it")),
    Probe("bundled-data", Group.FORGE, "finds none", relaxed=Relaxed("an image without data sets", prepare=True)),
)
RIVALRY: Final = Rivalry(
    "lock-channel",
    Group.FORGE,
    "no room notices the other",
    relaxed=lambda *both: tuple(replace(cage, seccomp=_EVERYTHING_OPEN) for cage in both),
)
SUCCESSION: Final = Succession("time-channel", Group.FORGE, "a train room is over before its predict room works")
ATTACKS: Final[tuple[Attack, ...]] = (*CHEATS, *PROBES, RIVALRY, SUCCESSION)


# ---- trying them ---------------------------------------------------------------------------------------------------


def findings(stage: Stage) -> Iterator[Finding]:
    """The cheats, the rivalry and the succession of this group; its probes go with all others."""
    parties = [list(party) for _, party in groupby(CHEATS, key=lambda cheat: cheat.company or cheat.name)]
    for party in parties:
        for cheat, trial in zip(party, trials(stage, party), strict=True):
            seen, passed = cheat.judge(trial)
            yield Finding(name=cheat.name, group=cheat.group, expected=cheat.expected, seen=seen, passed=passed)
    yield rivals.finding(stage, RIVALRY)
    yield succession.finding(stage, SUCCESSION)


def trials(stage: Stage, party: Sequence[Cheat], arrays: Arrays | None = None) -> list[Trial]:
    """What became of cheats that share a pair of rooms; ``arrays`` in place of the stage's, for a control."""
    alone = not party[0].company
    present = [*party, *(cheat for cheat in CHEATS if cheat.company == _AGAIN and cheat not in party)]
    owners = [cheat for cheat in (party if alone else present) for _ in range(cheat.seeds)]
    programs = {k: _program(stage, cheat) for k, cheat in enumerate(owners)}
    specs = tuple(SeedSpec(seed=k, order=k) for k in range(len(owners) + (not alone)))
    into = Path(mkdtemp(dir=stage.folder))
    executor = replace(_executor(stage, together=not alone), arrays=arrays or stage.executor.arrays)
    job = Job(number=1, source=candidates.together(programs), seeds=specs)
    envelope = executor.evaluate(job, into)
    predictions = into / "predictions"
    honest = 0.0 if alone else _scored(stage, envelope, envelope.seeds[-1:], predictions).primary.mean
    return [_trial(stage, envelope, owners.index(cheat), cheat.seeds, predictions, honest) for cheat in party]


def _trial(stage: Stage, envelope: Envelope, first: int, count: int, predictions: Path, honest: float) -> Trial:
    seeds = envelope.seeds[first : first + count]
    survived = [seed for seed in seeds if seed.failure is None]
    told = [np.fromfile(predictions_file(predictions, seed.seed), dtype="<f4").max() for seed in survived]
    return Trial(
        seeds=seeds,
        score=_scored(stage, envelope, seeds, predictions) if survived else None,
        honest=honest,
        told=float(max(told, default=_NOTHING)),
        said=candidates.said(envelope.log_tail, first),
        rooms=envelope.rooms,
    )


def _scored(stage: Stage, envelope: Envelope, seeds: Sequence[SeedResult], predictions: Path) -> Score:
    part = envelope.model_copy(update={"seeds": tuple(seeds)})
    return stage.laboratory.score(part, predictions, "validation")


def _executor(stage: Stage, *, together: bool) -> LocalExecutor:
    policy = stage.policy.model_copy(update={"isolate_seeds": False}) if together else stage.policy
    return replace(stage.executor, host=replace(stage.host, policy=policy))


def _program(stage: Stage, cheat: Cheat) -> str:
    """The cheat, told all answers: in the data set's own order, and by a hash of each row."""
    return f"ANSWERS = {answers(stage)}\nTABLE = {_table(stage)}\n{cheat.source}"


def _table(stage: Stage) -> dict[str, int]:
    """Hash of a row's bytes -> its validation label."""
    spec = stage.laboratory.dataset.arrays["validation_inputs"]
    rows = np.fromfile(stage.laboratory.sealed / paths.array_file("validation_inputs"), dtype="<f4").reshape(spec.shape)
    hashes = (hashlib.sha256(row.tobytes()).hexdigest()[:8] for row in rows)
    return dict(zip(hashes, answers(stage), strict=True))


def answers(stage: Stage) -> list[int]:
    """Validation labels in the data set's own order."""
    path = stage.laboratory.sealed / paths.array_file("validation_targets")
    return [int(label) for label in np.fromfile(path, dtype="<i8")]


# ---- controls ------------------------------------------------------------------------------------------------------


class InOwnOrder(Arrays):
    """Arrays whose rows enter predict rooms in the data set's own order, each of them once."""

    def mixed(self, name: str, purpose: str, into: Path) -> tuple[Path, Mixed]:  # noqa: ARG002  # no purpose: one order for all
        spec = self.dataset.arrays[name]
        nothing, unchanged = np.arange(0), np.arange(spec.shape[0], dtype=np.int64)
        target = into / paths.array_file(name)
        order.permute_file(self.folder / paths.array_file(name), target, spec, unchanged)
        return target, Mixed(len(unchanged), nothing, nothing.astype(bool), unchanged)


def is_worth(stage: Stage, name: str) -> float:
    """The control of ``row-position`` and ``hash-table``: the score where each row is asked once, in a known order."""
    (cheat,) = (cheat for cheat in CHEATS if cheat.name == name)
    (trial,) = trials(stage, [cheat], InOwnOrder(**_fields(stage.executor.arrays)))
    return trial.value


def _fields(arrays: Arrays) -> dict[str, Any]:
    return {one.name: getattr(arrays, one.name) for one in fields(arrays)}
