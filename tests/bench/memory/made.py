"""Insights of the kinds and lengths that runs leave: results and failures of many data sets. None was ever measured."""

import random
from collections.abc import Iterator

from fakes import insights as fake
from fumehood.records.insight import DataFingerprint, Insight

_FAMILIES = ("mlp", "residual_mlp", "cnn", "residual_cnn", "vit", "mixer", "text_cnn", "bag_of_words")
_SHAPES = {"image": (3, 32, 32), "tabular": (20,), "tokens": (128,)}


def insights(draw: random.Random, count: int, kinds: tuple[str, ...] = tuple(_SHAPES)) -> Iterator[Insight]:
    """About data of these input ``kinds``."""
    return (_insight(draw, kinds) for _ in range(count))


def _insight(draw: random.Random, kinds: tuple[str, ...]) -> Insight:
    run, about, configuration = f"run-{draw.randrange(10**9)}", data(draw, kinds), str(draw.randrange(10**9))
    family, mean = draw.choice(_FAMILIES), draw.uniform(0.5, 1)
    details = {
        "family": family,
        "settings": {"lr": draw.choice((0.001, 0.003, 0.01)), "width": draw.choice((32, 64, 128)), "depth": 2},
        "configuration": configuration,
        "recipe": {"optimizer": "adamw", "epochs": 30, "batch_size": 64},
    }
    if draw.random() < 0.3:
        return fake.failure(run=run, data=about, details={**details, "failure_kind": "timeout", "cause": ""})
    return fake.result(mean, run=run, data=about, details=details)


def data(draw: random.Random, kinds: tuple[str, ...] = tuple(_SHAPES)) -> DataFingerprint:
    number = draw.randrange(60)
    kind = kinds[number % len(kinds)]
    return fake.data(
        spec=f"csv:set-{number}.csv",
        source_digest=str(number),
        rows=200 * (number + 1),
        input_kind=kind,
        input_shape=_SHAPES[kind],
    )
