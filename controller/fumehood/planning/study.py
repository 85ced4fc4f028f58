"""What has been measured, as an Optuna study, and draws from it.

The only module that imports Optuna. A study only ever holds completed iterations, in their order; drawing leaves no
trace in it, so a study that was kept and one that was rebuilt draw the same. Failures are told as pruned trials,
which the sampler ranks below everything that was measured: failed ones it would ignore and run into again.
"""

import random
import warnings
from collections.abc import Mapping
from typing import Literal

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from fumehood.planning.knobs import Knob, Setting
from fumehood.planning.space import Space

FAMILY = "family"


class SearchStudy:
    """Settings and rounded scores over one ``space``; ordered knobs are told as places in their list."""

    def __init__(self, space: Space, direction: Literal["max", "min"]) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space = space
        self._families = CategoricalDistribution(tuple(space.families))
        self._storage = optuna.storages.InMemoryStorage()
        self._study = optuna.create_study(
            storage=self._storage, direction="maximize" if direction == "max" else "minimize"
        )
        self._startup = len(space.starts())

    def tell(self, family: str, settings: Mapping[str, Setting], value: float | None) -> None:
        """Add a completed iteration; ``value`` None is a failure."""
        params: dict[str, object] = {FAMILY: family}
        distributions: dict[str, BaseDistribution] = {FAMILY: self._families}
        for knob in self._turning(family):
            params[_name(family, knob)] = _told(knob, settings[knob.name])
            distributions[_name(family, knob)] = _distribution(knob)
        state = TrialState.PRUNED if value is None else TrialState.COMPLETE
        self._study.add_trial(create_trial(params=params, distributions=distributions, value=value, state=state))

    def draws(self, seed: int) -> "Draws":
        # A study object remembers the trials it saw first, until it is asked for one; a new object sees all of them.
        study = optuna.load_study(study_name=self._study.study_name, storage=self._storage)
        return Draws(self._space, study, self._families, self._startup, seed)

    def _turning(self, family: str) -> list[Knob]:
        return [knob for knob in self._space.knobs(family) if len(knob.values) > 1]


class Draws:
    """A stream of points, the same for the same study and seed."""

    def __init__(
        self, space: Space, study: optuna.Study, families: CategoricalDistribution, startup: int, seed: int
    ) -> None:
        self._space, self._study, self._families = space, study, families
        self._random = random.Random(seed)  # noqa: S311 -- a search, not a secret
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self._sampler = optuna.samplers.TPESampler(
                seed=self._random.randrange(2**32),
                n_startup_trials=startup,
                multivariate=True,
                group=True,
                constant_liar=False,
            )
        self._trial = create_trial(state=TrialState.RUNNING)
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
