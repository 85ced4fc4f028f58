"""What only test rows know is of no use to a model: trained for real, on what the prepare room hands out."""

import io
import json

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the prepare room's libraries are not installed")

import pyarrow as pa
import pyarrow.parquet as pq
from prepare_room import Prepared, Room, table
from sklearn.linear_model import LogisticRegression

from fumehood_runner.prepare.split import split
from fumehood_shared.messages import CsvSource, JsonlSource, ParquetSource, Source

pytestmark = pytest.mark.runner

N = 600
RANDOM = np.random.RandomState(0)
LABELS = RANDOM.randint(0, 2, N)
HONEST = LABELS + RANDOM.normal(size=N)
"""Tells the label in about 7 of 10 rows."""
NOISE = RANDOM.randint(0, 2, N)
IN_TEST = np.isin(np.arange(N), split(LABELS, 0, 0.2, 0.2).test)
LEAK = np.where(IN_TEST, LABELS, NOISE)
"""Nothing in training rows, the label itself in test rows."""
WORDS = np.where(IN_TEST, np.where(LABELS == 1, "leakyes", "leakno"), "none")
"""Values that only test rows have."""


def csv(room: Room, with_leak: bool) -> Source:
    more = [f",{leak},{word}" if with_leak else "" for leak, word in zip(LEAK, WORDS, strict=True)]
    rows = [f"{x},{'ab'[y]}{rest}" for x, y, rest in zip(HONEST, LABELS, more, strict=True)]
    room.put(table("x,y" + ",leak,word" * with_leak, rows))
    return CsvSource(target="y")


def parquet(room: Room, with_leak: bool) -> Source:
    sink, more = io.BytesIO(), {"leak": LEAK, "word": WORDS} if with_leak else {}
    pq.write_table(pa.table({"x": HONEST, "y": ["ab"[y] for y in LABELS], **more}), sink)
    room.put(sink.getvalue(), "data.parquet")
    return ParquetSource(target="y")


def jsonl(room: Room, with_leak: bool) -> Source:
    honest = ["high" if x > 0.5 else "low" for x in HONEST]
    more = [f" {word} {word}" if with_leak else "" for word in WORDS]
    rows = [{"t": h + m, "y": "ab"[y]} for h, m, y in zip(honest, more, LABELS, strict=True)]
    room.put("\n".join(map(json.dumps, rows)), "data.jsonl")
    return JsonlSource(text="t", target="y", length=20)


def accuracy(prepared: Prepared) -> float:
    """On test rows, of a model fitted on training rows; tokens are counted first."""
    size = prepared.reply.vocab_size

    def inputs(part: str) -> np.ndarray:
        found = prepared.array(f"{part}_inputs")
        return found if size is None else np.stack([np.bincount(row, minlength=size)[2:] for row in found])

    model = LogisticRegression(C=0.1).fit(inputs("train"), prepared.array("train_targets"))
    return float(model.score(inputs("test"), prepared.array("test_targets")))


@pytest.mark.parametrize("source", [csv, parquet, jsonl])
def test_a_feature_that_is_the_label_in_test_rows_only_is_of_no_use(tmp_path, source):
    honest_room, leaking_room = Room(tmp_path / "honest"), Room(tmp_path / "leaking")
    honest = accuracy(honest_room.load(source(honest_room, with_leak=False)))
    leaking = accuracy(leaking_room.load(source(leaking_room, with_leak=True)))
    assert 0.6 < honest < 0.8
    assert leaking <= honest + 0.03


def test_the_same_feature_in_training_rows_too_would_be_of_great_use(tmp_path):
    room = Room(tmp_path)
    rows = [f"{x},{y},{'ab'[y]}" for x, y in zip(HONEST, LABELS, strict=True)]
    assert accuracy(room.put(table("x,leak,y", rows)).load(CsvSource(target="y"))) > 0.95
