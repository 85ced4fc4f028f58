"""Landmarks: what simple models reach on training rows, as leaving one out at a time and fitting anew would find it."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the prepare room's libraries are not installed")

from prepare_room import Room, table
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from fumehood_runner.prepare.landmarks import explained
from fumehood_shared.messages import CsvSource, JsonlSource, Task

pytestmark = pytest.mark.runner


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def test_the_closed_form_is_what_fitting_without_each_row_gives():
    draw = np.random.default_rng(0)
    inputs = draw.normal(size=(40, 5))
    targets = inputs @ draw.normal(size=(5, 2)) + draw.normal(size=(40, 2))
    targets -= targets.mean(axis=0)
    scale = np.mean(np.linalg.eigvalsh((inputs - inputs.mean(axis=0)) @ (inputs - inputs.mean(axis=0)).T).clip(0))
    left = [
        np.sum((targets - cross_val_predict(Ridge(alpha=scale * 10.0**power), inputs, targets, cv=LeaveOneOut())) ** 2)
        for power in range(-4, 4)
    ]
    assert explained(inputs @ inputs.T, targets) == pytest.approx(1 - min(left) / np.sum(targets**2), abs=1e-9)


def test_what_no_model_explains_is_nothing_and_never_less():
    draw = np.random.default_rng(1)
    noise, inputs = draw.normal(size=(300, 1)), draw.normal(size=(300, 3))
    assert 0 <= explained(inputs @ inputs.T, noise - noise.mean()) < 0.05


def rows(function, count: int = 300) -> str:
    points = np.random.default_rng(2).uniform(-1, 1, (count, 2))
    return table("a,b,y", [f"{a:.6f},{b:.6f},{function(a, b)}" for a, b in points])


def found(room: Room, text: str, **settings):
    return room.put(text).prepare(**settings).reply.facts.landmarks


def test_a_straight_relation_is_linear_and_a_curved_one_smooth(room):
    straight = found(room, rows(lambda a, b: round(3 * a - b, 6)))
    assert straight.linear > 0.99
    assert straight.smooth > 0.95
    curved = found(room, rows(lambda a, b: round(float(np.sin(5 * a) * np.cos(4 * b)), 6)))
    assert curved.linear < 0.2
    assert curved.smooth > 0.9
    classes = found(room, rows(lambda a, b: "in" if a * a + b * b < 0.5 else "out"))
    assert classes.linear < 0.2
    assert classes.smooth > 0.6


def test_only_training_rows_are_looked_at(room):
    """Rows are tested by time: what the newest say, which validation and test hold, changes nothing."""
    header, draw = "when,a,y", np.random.default_rng(3)
    old = [f"{t},{a:.6f},{2 * a:.6f}" for t, a in enumerate(draw.normal(size=180))]
    new = [f"{t},{a:.6f},{{}}" for t, a in enumerate(draw.normal(size=120), start=180)]
    kept = table(header, old + [line.format("0.5") for line in new[:-1]] + [new[-1].format("0.25")])
    other = table(header, old + [line.format("-7.5") for line in new[:-1]] + [new[-1].format("99")])
    source = CsvSource(target="y", time="when", task=Task.REGRESSION)
    first, second = (room.put(text).accept(source).reply.facts.landmarks for text in (kept, other))
    assert first == second
    assert first.linear > 0.99


def test_texts_have_none_and_folds_have_those_of_all_training_rows(room):
    text = rows(lambda a, b: round(3 * a - b, 6))
    assert found(room, text, folds=4) == found(room, text)
    lines = "\n".join(f'{{"text": "word{n % 7} other", "label": "{"ab"[n % 2]}"}}' for n in range(60))
    source = JsonlSource(text="text", target="label", length=8)
    assert room.put(lines, "data.jsonl").accept(source).reply.facts.landmarks is None


def test_inputs_that_are_all_the_same_have_none(room, monkeypatch):
    """A column that is not constant over the training rows, and so is kept, but over those that are looked at."""
    monkeypatch.setattr("fumehood_runner.prepare.landmarks.MOST_ROWS", 5)
    rare = table("a,y", [f"{int(n % 50 == 7)},{n % 3}.5" for n in range(300)])
    prepared = room.put(rare).prepare(task=Task.REGRESSION)
    assert prepared.array("train_inputs").any()
    assert prepared.reply.facts.landmarks is None
