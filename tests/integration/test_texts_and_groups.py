"""Whole runs on texts, and on a Parquet file split by group: prepared, searched, sealed, and used on new rows."""

import csv
import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fumehood.journal import fold, read
from fumehood.records import Run
from fumehood_shared.messages import InputKind, TokenEncoding
from integration.lab import fumehood_cli

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(400)]

FEW = ("--max-iterations", "1", "--num-seeds", "2", "--json")
GOOD = ("lovely", "bright", "warm", "clear", "splendid")
BAD = ("awful", "dull", "cold", "muddled", "dreary")
PLAIN = ("the", "a", "film", "music", "story", "was", "and", "with", "its", "actors")


def finished(folder: Path) -> Run:
    return fold(read(folder / "journal.jsonl")).run


def review(draw: random.Random, label: str) -> str:
    words = draw.choices(PLAIN, k=draw.randint(4, 12)) + draw.choices(GOOD if label == "pos" else BAD, k=2)
    draw.shuffle(words)
    return " ".join(words).capitalize() + "!"


def test_a_run_on_texts_learns_their_words_and_reads_new_ones(tmp_path: Path) -> None:
    draw, file, new, output = random.Random(0), tmp_path / "r.jsonl", tmp_path / "new.jsonl", tmp_path / "out.csv"
    labels = [draw.choice(("pos", "neg")) for _ in range(300)]
    file.write_text("".join(json.dumps({"text": review(draw, y), "label": y}) + "\n" for y in labels))
    done = fumehood_cli("run", "--goal", "Tell good reviews from bad ones", "--data",
                        f"jsonl:{file}#text=text&label=label", "--subset", "240", *FEW,
                        "--workdir", str(tmp_path / "run"))  # fmt: skip
    assert done.returncode == 0, done.stderr
    run = finished(tmp_path / "run")
    assert run.dataset is not None
    assert run.dataset.input_kind is InputKind.TOKENS
    assert isinstance(run.dataset.encoding, TokenEncoding)
    assert (run.settings.subset, run.dataset.facts.rows) == (240, 240)
    assert json.loads(done.stdout)["final"]["mean"] > 0.9
    new.write_text('{"text": "Lovely, bright music"}\n{"text": "a dull and awful zebra"}\n')
    told = fumehood_cli("predict", str(tmp_path / "run"), "--data", f"jsonl:{new}", "--output", str(output))
    assert told.returncode == 0, told.stderr
    with output.open(newline="") as rows:
        assert [row["label"] for row in csv.DictReader(rows)] == ["pos", "neg"]


def test_a_run_on_parquet_keeps_groups_together(tmp_path: Path) -> None:
    draw, file = random.Random(1), tmp_path / "visits.parquet"
    patients = [i // 6 for i in range(240)]
    ill = [p % 2 for p in patients]
    pressure = [y + draw.gauss(0, 0.7) for y in ill]
    table = {"pressure": pressure, "patient": [f"p{p}" for p in patients], "ill": ["yes" if y else "no" for y in ill]}
    pq.write_table(pa.table(table), file)
    done = fumehood_cli("run", "--goal", "Classify visits", "--data", f"parquet:{file}#target=ill&group=patient", *FEW,
                        "--workdir", str(tmp_path / "run"))  # fmt: skip
    assert done.returncode == 0, done.stderr
    dataset = finished(tmp_path / "run").dataset
    assert dataset is not None
    assert dataset.input_shape == (1,)
    assert any("40 groups, 24 for training, 8 for validation, 8 for test" in note for note in dataset.facts.notes)
    assert all(dataset.rows(part) % 6 == 0 for part in ("train", "validation", "test"))
    assert "40 groups" in (tmp_path / "run" / "reports" / "research_summary.md").read_text()
