"""One candidate of every kind in real rooms: verdict, exit code and score, seen from outside and counted again."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import docker
import numpy as np
import pytest

from check import examples
from check.sarif_model import SarifLog
from cli.commands import Done, fumehood
from fumehood.sandbox import engine
from integration.lab import owned, started

pytestmark = pytest.mark.integration


@pytest.fixture(scope="session")
def api() -> Iterator[docker.APIClient]:
    client = engine.connect()
    yield client.api
    client.close()


def check(source: str, *options: str, seeds: int = 1, **environment: str) -> Done:
    """Check a candidate on iris, from within the working directory."""
    Path("model.py").write_text(source)
    done = fumehood("check", "model.py", "--data", "iris", "--num-seeds", str(seeds), *options, **environment)
    assert "Traceback" not in done.err
    return done


def array(path: Path, dtype: str) -> Any:
    return np.fromfile(path, dtype=dtype)


def test_a_good_candidate_passes_and_its_score_can_be_counted_again(write: Path, tmp_path: Path) -> None:
    state = {"XDG_STATE_HOME": str(tmp_path / "state")}
    done = check(examples.LINEAR, "--min-score", "0.4", "--json", "--workdir", "kept", seeds=2, **state)
    found = done.json
    assert (done.code, found["verdict"], found["exit_code"], found["rejections"]) == (0, "passed", 0, [])
    labels = array(write / "kept" / "sealed" / "validation_targets.bin", "<i8")
    accuracies = []
    for seed in found["seeds"]:
        predicted = array(write / "kept" / "predictions" / f"seed-{seed['seed']}.bin", "<f4").reshape(len(labels), 3)
        accuracies.append(float((predicted.argmax(axis=1) == labels).mean()))
    assert [seed["value"] for seed in found["seeds"]] == pytest.approx(accuracies)
    score = found["score"]
    assert (score["metric"], score["split"], score["n_seeds"]) == ("accuracy", "validation", 2)
    assert score["mean"] == pytest.approx(np.mean(accuracies))
    assert score["interval"][0] <= score["mean"] <= score["interval"][1]
    assert found["facts"]["policy"] == {"name": "ci", "isolate_seeds": True}
    assert [room["role"] for room in found["facts"]["rooms"]].count("train") == 2
    assert json.loads((write / "kept" / "verdict.json").read_text()) == found
    assert (write / "kept" / "model.py").read_text() == examples.LINEAR
    assert (write / "kept" / "sealed").stat().st_mode & 0o777 == 0o700
    assert list((tmp_path / "state").rglob("seal-ledger*")) == []


def test_the_bound_and_not_the_mean_has_to_reach_the_minimum(write: Path) -> None:
    """On thirty rows no score has a bound of 0.99, whatever its mean."""
    done = check(examples.LINEAR, "--min-score", "99", "--format", "junit", "--output", "report.xml")
    assert (done.code, done.out) == (1, "")
    assert "Below the minimum: model.py, accuracy" in done.err
    suite = ElementTree.parse(write / "report.xml").getroot()[0]
    (failure,) = suite.findall("testcase/failure")
    assert failure.attrib["type"] == "below_minimum"
    assert "is to be at least 0.99; the mean is" in failure.attrib["message"]


def test_a_syntax_error_fails_with_file_and_line(write: Path) -> None:
    done = check(examples.SYNTAX)
    assert done.code == 3
    assert done.out.startswith("The candidate failed: model.py")
    assert "model.py:3: SyntaxError" in done.out


def test_a_candidate_that_never_ends_fails_by_timeout(write: Path) -> None:
    done = check(examples.ENDLESS, "--timeout", "2", "--json")
    assert (done.code, done.json["verdict"], done.json["score"]) == (3, "candidate_failed", None)
    assert [one["kind"] for one in done.json["rejections"]] == ["timeout"]
    (room,) = [room for room in done.json["facts"]["rooms"] if room["role"] == "train"]
    assert room["wall_s"] >= 2.0


def test_a_memory_bomb_fails_by_memory(write: Path) -> None:
    done = check(examples.MEMORY, "--json")
    assert (done.code, done.json["verdict"]) == (3, "candidate_failed")
    assert [one["kind"] for one in done.json["rejections"]] == ["oom"]


def test_hostile_output_is_a_violation_and_its_words_reach_no_reader(write: Path) -> None:
    done = check(examples.HOSTILE, "--format", "sarif", seeds=2)
    assert done.code == 4
    (run,) = SarifLog.model_validate_json(done.out).runs
    (result,) = run.results
    assert result.rule_id == "hostile_output"
    assert result.locations[0].physical_location.artifact_location.uri == "model.py"
    assert "not a regular file" in result.message.text
    assert "\x1b" not in done.out + done.err
    assert "The candidate broke the rules: model.py" in done.err


def test_a_seed_that_fails_counts_as_the_baseline_and_is_listed(write: Path) -> None:
    found = check(examples.FAILS_ONCE, "--json", seeds=2)
    document = found.json
    assert (found.code, document["verdict"]) == (0, "passed")
    (lost,) = document["rejections"]
    assert (lost["kind"], lost["seeds"], "not with this seed" in lost["reason"]) == ("crashed", [1], True)
    assert document["seeds"][1]["value"] == document["facts"]["measured"]["baseline"]
    assert document["seeds"][1]["failure"] == "crashed"


@pytest.mark.slow
def test_the_final_score_is_on_the_sealed_split_and_every_opening_is_numbered(write: Path, tmp_path: Path) -> None:
    ledger = tmp_path / "state" / "fumehood" / "seal-ledger.jsonl"
    state = {"XDG_STATE_HOME": str(tmp_path / "state")}
    for number in (1, 2):
        kept = f"kept{number}"
        found = check(examples.LINEAR, "--final", "--json", "--workdir", kept, **state).json
        assert (found["score"]["split"], found["facts"]["opening"]) == ("test", number)
    labels = array(write / kept / "sealed" / "test_targets.bin", "<i8")
    path = write / kept / "sealed" / "final" / "predictions" / "seed-0.bin"
    predicted = array(path, "<f4").reshape(len(labels), 3)
    assert found["score"]["mean"] == pytest.approx(float((predicted.argmax(axis=1) == labels).mean()))
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert [line["test_digest"] for line in lines] == [found["facts"]["data"]["test_digest"]] * 2
    assert len({line["run_id"] for line in lines}) == 2


def test_a_metric_that_the_split_to_be_scored_does_not_define_is_refused_before_the_candidate_is_tried(
    write: Path, tmp_path: Path
) -> None:
    """The newest rows, which are the sealed test's, are all of one class; those of validation are of both."""
    rows = [f"{i * i % 17},{i},{'yes' if i % 3 or i >= 80 else 'no'}" for i in range(100)]
    (write / "table.csv").write_text("\n".join(["a,day,y", *rows]))
    asked = ("--data", "csv:table.csv#target=y&time=day", "--metric", "roc_auc", "--json")
    state = {"XDG_STATE_HOME": str(tmp_path / "state")}
    refused = check(examples.LINEAR, *asked, "--final", "--workdir", "kept", **state)
    assert refused.code == 2
    assert "roc_auc is not defined on the test rows: no example of class 'no'" in refused.err
    assert "another metric: accuracy, " in refused.err
    assert not (write / "kept" / "model.py").exists()
    assert list((tmp_path / "state").rglob("seal-ledger*")) == []
    assert check(examples.LINEAR, *asked, **state).json["score"]["metric"] == "roc_auc"


def test_a_budget_that_ends_first_is_not_the_candidates_failure(write: Path) -> None:
    done = check(examples.ENDLESS, "--budget-minutes", "0.08", "--json")
    assert (done.code, done.json["verdict"], done.json["error"]["kind"]) == (5, "budget", "budget")


@pytest.mark.parametrize("name", ["text", "json", "junit", "sarif"])
def test_without_an_engine_every_format_is_whole(write: Path, name: str) -> None:
    done = check(examples.LINEAR, "--format", name, "--workdir", "kept", DOCKER_HOST=f"unix://{write}/nobody.sock")
    assert done.code == 6
    assert "nobody.sock" in done.err
    assert "what to do:" in done.err
    if name == "text":
        assert done.out.startswith("Not checked: model.py")
    if name == "json":
        assert (done.json["verdict"], done.json["error"]["kind"], done.json["score"]) == ("engine", "engine", None)
    if name == "junit":
        assert ElementTree.fromstring(done.out)[0].attrib["errors"] == "1"
    if name == "sarif":
        (run,) = SarifLog.model_validate_json(done.out).runs
        assert (run.results, run.invocations[0].execution_successful) == ([], False)
    assert json.loads((write / "kept" / "verdict.json").read_text())["exit_code"] == 6


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM], ids=lambda sent: sent.name)
def test_an_interrupted_check_leaves_neither_data_nor_rooms(
    write: Path, tmp_path: Path, api: docker.APIClient, sent: signal.Signals
) -> None:
    """By Ctrl-C, or by a CI system that cancels the job."""
    (write / "model.py").write_text(examples.ENDLESS)
    place, state = tmp_path / "private", tmp_path / "state"
    place.mkdir()
    asked = ("check", "model.py", "--data", "iris", "--num-seeds", "1", "--verbose")
    with started(*asked, TMPDIR=str(place), XDG_STATE_HOME=str(state)) as process:
        assert process.stderr is not None
        assert any("Train room running" in line for line in process.stderr)
        (lock,) = (state / "fumehood" / "locks").glob("*.lock")
        label = f"fumehood.owner={lock.stem}"
        assert len(owned(api, label)) >= 4
        (folder,) = place.iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (folder / "sealed" / "test_targets.bin").exists()
        process.send_signal(sent)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "fumehood: interrupted" in said
    assert "fumehood resume" not in said
    assert list(place.iterdir()) == []
    assert owned(api, label) == []
