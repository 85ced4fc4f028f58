"""What has been measured, as an Optuna study, and draws from it.

The only module that imports Optuna. A study holds completed iterations, in their order; drawing leaves no trace in it,
so a study that was kept and one that was rebuilt draw the same. Failures are told as pruned trials, which the sampler
ranks below everything that was measured: failed ones it would ignore and run into again.

So that a draw costs the same however long a search is, a study that holds more than ``MOST`` iterations is thinned out:
of the older half the best ones go on, and all of the later half.
"""

import random
import warnings
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from fumehood.planning.knobs import Knob, Setting
from fumehood.planning.space import Space

FAMILY: Final = "family"
MOST: Final = 128
"""Iterations that the sampler sees, at most."""

Point = tuple[str, Mapping[str, Setting]]
"""A family and its settings."""


class SearchStudy:
    """Settings and rounded scores over one ``space``; ordered knobs are told as places in their list."""

    def __init__(self, space: Space, direction: Literal["max", "min"]) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space = space
        self._families = CategoricalDistribution(tuple(space.families))
        self._direction = direction
        self._startup = len(space.starts())
        self._holds: list[FrozenTrial] = []
        self._storage, self._name = self._stored(())

    def tell(self, family: str, settings: Mapping[str, Setting], value: float | None) -> None:
        """Add a completed iteration; ``value`` None is a failure."""
        state = TrialState.PRUNED if value is None else TrialState.COMPLETE
        trial = self._trial(family, settings, state, value)
        self._holds.append(trial)
        if len(self._holds) <= MOST:
            self._study().add_trial(trial)
        else:
            self._holds = self._thinned()
            self._storage, self._name = self._stored(self._holds)

    def draws(self, seed: int, pending: Sequence[Point] = ()) -> "Draws":
        """``pending``: points that are being measured, which the sampler is told to keep away from."""
        if not pending:
            trial = create_trial(state=TrialState.RUNNING)
            return Draws(self._space, self._study(), trial, self._families, self._startup, seed, lie=False)
        # Optuna takes note of draws in the trial that it draws for, so that one has to be there, in a study to be lost.
        running = [self._trial(family, settings, TrialState.RUNNING, None) for family, settings in pending]
        storage, name = self._stored((*self._holds, *running, create_trial(state=TrialState.RUNNING)))
        study = optuna.load_study(study_name=name, storage=storage)
        trial = study.get_trials(deepcopy=False)[-1]
        return Draws(self._space, study, trial, self._families, self._startup, seed, lie=True)

    def _study(self) -> optuna.Study:
        """A new object: one that was asked for trials before goes on seeing those of that time."""
        return optuna.load_study(study_name=self._name, storage=self._storage)

    def _stored(self, trials: Sequence[FrozenTrial]) -> tuple[optuna.storages.InMemoryStorage, str]:
        storage = optuna.storages.InMemoryStorage()
        study = optuna.create_study(storage=storage, direction="maximize" if self._direction == "max" else "minimize")
        study.add_trials(trials)
        return storage, study.study_name

    def _thinned(self) -> list[FrozenTrial]:
        """The best quarter of what a study may hold, and the latest half, in their order."""
        sign = -1.0 if self._direction == "max" else 1.0
        earlier, latest = self._holds[: -MOST // 2], self._holds[-MOST // 2 :]
        measured = [place for place, trial in enumerate(earlier) if trial.value is not None]
        best = sorted(measured, key=lambda place: sign * (earlier[place].value or 0.0))[: MOST // 4]
        return [earlier[place] for place in sorted(best)] + latest

    def _trial(
        self, family: str, settings: Mapping[str, Setting], state: TrialState, value: float | None
    ) -> FrozenTrial:
        params: dict[str, object] = {FAMILY: family}
        distributions: dict[str, BaseDistribution] = {FAMILY: self._families}
        for knob in self._turning(family):
            params[_name(family, knob)] = _told(knob, settings[knob.name])
            distributions[_name(family, knob)] = _distribution(knob)
        return create_trial(params=params, distributions=distributions, value=value, state=state)

    def _turning(self, family: str) -> list[Knob]:
        return [knob for knob in self._space.knobs(family) if len(knob.values) > 1]


class Draws:
    """A stream of points, the same for the same study and seed; ``lie``: as if what is running turned out badly."""

    def __init__(
        self,
        space: Space,
        study: optuna.Study,
        trial: FrozenTrial,
        families: CategoricalDistribution,
        startup: int,
        seed: int,
        *,
        lie: bool,
    ) -> None:
        self._space, self._study, self._trial, self._families = space, study, trial, families
        self._random = random.Random(seed)  # noqa: S311 -- a search, not a secret
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self._sampler = optuna.samplers.TPESampler(
                seed=self._random.randrange(2**32),
                n_startup_trials=startup,
                multivariate=True,
                group=True,
                constant_liar=lie,
            )
        self._together = self._sampler.infer_relative_search_space(study, self._trial)

    def likely(self) -> tuple[str, dict[str, Setting]]:
        """A point that the tree-structured Parzen estimator (Bergstra et al., 2011) expects to be good."""
        family = str(self._value(self._drawn({FAMILY}), FAMILY, self._families))
        drawn = self._drawn({_name(family, knob) for knob in self._space.knobs(family)})
        settings: dict[str, Setting] = {}
        for knob in self._space.knobs(family):
            if len(knob.values) == 1:
                settings[knob.name] = knob.values[0]
                continue
            found = self._value(drawn, _name(family, knob), _distribution(knob))
            settings[knob.name] = knob.values[int(str(found))] if knob.ordered else _setting(knob, found)
        return family, settings

    def uniform(self) -> tuple[str, dict[str, Setting]]:
        """Any point, all alike."""
        family = self._random.choice(self._families.choices)
        return str(family), {knob.name: self._random.choice(knob.values) for knob in self._space.knobs(str(family))}

    def _drawn(self, names: set[str]) -> dict[str, object]:
        """Those of ``names`` that earlier trials have, drawn together; drawing all families' knobs would cost more."""
        wanted = {name: distribution for name, distribution in self._together.items() if name in names}
        return dict(self._sampler.sample_relative(self._study, self._trial, wanted))

    def _value(self, drawn: Mapping[str, object], name: str, distribution: BaseDistribution) -> object:
        if name in drawn:
            return drawn[name]
        return self._sampler.sample_independent(self._study, self._trial, name, distribution)


def _name(family: str, knob: Knob) -> str:
    return f"{family}.{knob.name}"


def _distribution(knob: Knob) -> BaseDistribution:
    return IntDistribution(0, len(knob.values) - 1) if knob.ordered else CategoricalDistribution(knob.values)


def _told(knob: Knob, value: Setting) -> Setting:
    return knob.values.index(value) if knob.ordered else value


def _setting(knob: Knob, found: object) -> Setting:
    return next(value for value in knob.values if value == found)
