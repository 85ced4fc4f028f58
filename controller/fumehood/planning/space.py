"""Everything that can be proposed for one problem: from settings to a candidate that fits the goal's limits.

A ``Candidate`` is the assembled-to-be network and recipe. Where settings would give a network with more parameters
than the goal allows, or a training longer than ``seconds_allowed``, they are turned down, one step at a time: epochs
first where it is time, then width, then depth. No Optuna here, and no clock: cost is estimated from multiply-adds.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import inf
from typing import Any, Final

from fumehood.assembly.layer import Step
from fumehood.assembly.trace import Line, Trace, trace
from fumehood.errors import UsageError
from fumehood.planning.families import Family, families
from fumehood.planning.knobs import Knob, Problem, Setting, recipe, recipe_knobs
from fumehood.planning.starts import common, starts
from fumehood.records import Goal

STEP_SECONDS: Final = 4e-4
LAYER_SECONDS: Final = 1.2e-4
LAYERS_IN_A_BLOCK: Final = 8
MULTIPLY_ADDS_PER_SECOND: Final = 6e9
"""One core of a common server, forward and backward together; measured, rounded down."""
EMBEDDED_PER_SECOND: Final = 2e8
"""Parameters of an embedding that an optimizer moves on one core."""
FLOAT_BYTES: Final = 4
COPIES_OF_WEIGHTS: Final = 5
BASE_SECONDS: Final = 10.0
BASE_ROWS: Final = 1500


@dataclass(frozen=True)
class Candidate:
    """A point of the space with what follows from it."""

    family: Family
    settings: Mapping[str, Setting]
    model_config: dict[str, Any]
    recipe: dict[str, Any]
    trace: Trace

    @cached_property
    def identity(self) -> str:
        return identity(self.model_config, self.recipe)


def identity(model_config: Mapping[str, Any] | None, recipe: Mapping[str, Any]) -> str:
    """A digest, equal for plans that build and train the same network, whatever they are called.

    None, a plan of others without layers, equals no plan of ours.
    """
    text = json.dumps([model_config and model_config.get("layers"), recipe], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


class Space:
    """What can be proposed for ``problem`` under ``goal``. Raises UsageError where nothing can."""

    def __init__(self, goal: Goal, problem: Problem) -> None:
        self.problem = problem
        self.limit = goal.max_parameters
        self.seconds = min(seconds_allowed(problem), goal.max_train_s or inf)
        suited = {family.name: family for family in families(problem)}
        self._knobs = {name: (*f.knobs(problem), *recipe_knobs(problem)) for name, f in suited.items()}
        smallest = {name: self._build(f, self._smallest(f)) for name, f in suited.items()}
        self.families = {n: f for n, f in suited.items() if self._is_small_enough(smallest[n].trace)}
        if not self.families:
            least = min(candidate.trace.stored for candidate in smallest.values())
            raise UsageError(
                f"No network of the search planner has at most {self.limit} parameters on these data.",
                f"The smallest has {least}, buffers included: allow at least that many.",
            )

    def knobs(self, family: str) -> tuple[Knob, ...]:
        return self._knobs[family]

    def holds(self, family: str, settings: Mapping[str, Setting]) -> bool:
        """Whether ``settings`` are a point of this space."""
        knobs = {knob.name: knob.values for knob in self._knobs.get(family, ())}
        known = family in self.families and settings.keys() == knobs.keys()
        return known and all(settings[name] in values for name, values in knobs.items())

    def starts(self) -> list[Candidate]:
        """The first proposals, turned down to the limits."""
        drawn = [(family, self.filled(family, stated)) for family, stated in starts(self.problem)]
        return [c for family, settings in drawn if (c := self.candidate(family, settings)) is not None]

    def candidate(self, family: str, settings: Mapping[str, Setting]) -> Candidate | None:
        """The candidate at ``settings`` or, where that is too large or too slow, at smaller ones; None if none is."""
        if family not in self.families:
            return None
        found = self._build(self.families[family], settings)
        while (name := self._too_much(found)) is not None:
            smaller = self._turned_down(found, name)
            if smaller is None:
                return None
            found = self._build(found.family, smaller)
        return found

    def _too_much(self, candidate: Candidate) -> str | None:
        if not self._is_small_enough(candidate.trace):
            return "parameters"
        return "time" if seconds(candidate, self.problem) > self.seconds else None

    def _turned_down(self, candidate: Candidate, why: str) -> dict[str, Setting] | None:
        names = candidate.family.size_knobs if why == "parameters" else ("epochs", *candidate.family.size_knobs)
        values = {knob.name: knob.values for knob in self._knobs[candidate.family.name]}
        for name in names:
            place = values[name].index(candidate.settings[name])
            if place > 0:
                return {**candidate.settings, name: values[name][place - 1]}
        return None

    def _is_small_enough(self, model: Trace) -> bool:
        return self.limit is None or model.stored <= self.limit

    def _build(self, family: Family, settings: Mapping[str, Setting]) -> Candidate:
        config = {
            "class_name": family.class_name,
            "input_shape": list(self.problem.input_shape),
            "num_outputs": self.problem.num_outputs,
            "layers": family.layers(self.problem, settings),
        }
        return Candidate(family, dict(settings), config, recipe(self.problem, settings), trace(config))

    def _smallest(self, family: Family) -> dict[str, Setting]:
        settings = {knob.name: knob.values[0] for knob in self._knobs[family.name]}
        least = {"norm": "none", "readout": "pool"}
        for knob in self._knobs[family.name]:
            if least.get(knob.name) in knob.values:
                settings[knob.name] = least[knob.name]
        return settings

    def filled(self, family: str, stated: Mapping[str, Setting]) -> dict[str, Setting]:
        """``stated``, every other knob at its common or middle value (epochs: nearly the most), each in its list."""
        filled: dict[str, Setting] = {}
        for knob in self._knobs[family]:
            wanted = stated.get(knob.name, knob.values[-2] if knob.name == "epochs" else common(knob.name))
            filled[knob.name] = _nearest(knob, wanted)
        return filled


def seconds(candidate: Candidate, problem: Problem) -> float:
    """Estimated seconds of one training on one core."""
    epochs, batch = int(candidate.settings["epochs"]), int(candidate.settings["batch_size"])
    steps = epochs * -(-problem.rows // batch)
    layers = sum(_layers(line) for line in candidate.trace.lines)
    overhead = steps * (STEP_SECONDS + LAYER_SECONDS * layers)
    # Every step moves all vectors of an embedding, whichever words it saw.
    overhead += steps * sum(s.parameters for s in _embeddings(candidate)) / EMBEDDED_PER_SECOND
    return overhead + epochs * problem.rows * candidate.trace.multiply_adds / MULTIPLY_ADDS_PER_SECOND


def memory(candidate: Candidate) -> int:
    """Estimated bytes that one training needs beside the libraries and the data.

    Weights, their gradients, two moments of Adam and a step's own copy; what every layer's answer to a batch takes, and
    its gradient.
    """
    values = sum(line.step.output.size * _layers(line) for line in candidate.trace.lines)
    batch = int(candidate.settings["batch_size"])
    return FLOAT_BYTES * (COPIES_OF_WEIGHTS * candidate.trace.parameters + 2 * batch * values)


def _layers(line: Line) -> int:
    return LAYERS_IN_A_BLOCK if line.kind.source else 1


def _embeddings(candidate: Candidate) -> list[Step]:
    return [line.step for line in candidate.trace.lines if line.kind.name == "Embedding"]


def seconds_allowed(problem: Problem) -> float:
    """Ten seconds for 1,500 rows or fewer, growing with the square root of the rows."""
    return BASE_SECONDS * math.sqrt(max(1.0, problem.rows / BASE_ROWS))


def _nearest(knob: Knob, wanted: Setting | None) -> Setting:
    if wanted in knob.values:
        return knob.values[knob.values.index(wanted)] if wanted is not None else knob.values[0]
    numbers = [v for v in knob.values if not isinstance(v, str)]
    if numbers and isinstance(wanted, int | float):
        return min(numbers, key=lambda value: abs(value - wanted))
    return knob.values[len(knob.values) // 2] if knob.ordered else knob.values[0]
