"""A finished run is audited and one of its candidates tried again, in real rooms, through the command line."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fumehood import chain
from fumehood.executors import Job
from fumehood.executors.local import predictions_file
from fumehood.journal import fold, read
from fumehood_shared.messages import SeedSpec
from integration.lab import Lab, fumehood_cli

pytestmark = [pytest.mark.integration, pytest.mark.slow]

SET_ORDER = """\
import torch
from torch import nn

RECIPE = {"epochs": 1}
WIDTHS = {"alpha": 3, "beta": 5, "gamma": 7, "delta": 11, "epsilon": 13, "zeta": 17}

class Model(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        widths = [inputs, *(WIDTHS[name] for name in set(WIDTHS)), outputs]
        self.layers = nn.Sequential(*(nn.Linear(a, b) for a, b in zip(widths, widths[1:])))

    def forward(self, x):
        return self.layers(x)

def build_model(input_shape, num_outputs):
    print("HASH", hash("x"), flush=True)
    return Model(input_shape[0], num_outputs)
"""
"""The shapes of its weights depend on the order in which Python goes through a set of strings."""


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / "audit.key"
    path.write_bytes(os.urandom(32))
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, secret: Path) -> Path:
    """A signed run of two candidates on iris."""
    folder = tmp_path_factory.mktemp("iris") / "run"
    done = fumehood_cli(
        "run", "--goal", "classify iris", "--data", "iris", "--max-iterations", "2", "--num-seeds", "2", "--json",
        "--workdir", str(folder), FUMEHOOD_AUDIT_KEY=str(secret),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["journal_head"] == read(folder / "journal.jsonl")[-1].hash
    return folder


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def replay(folder: Path, number: int = 2) -> tuple[int, dict[str, Any]]:
    done = fumehood_cli("replay", str(folder), "--iteration", str(number), "--json")
    return done.returncode, json.loads(done.stdout)


def rewrite(folder: Path, kind: str, field: str, value: Any) -> None:
    """Give a field of the last line of that kind another value, and the journal a chain that holds, unsigned."""
    entries = read(folder / "journal.jsonl")
    last = max(entry.number for entry in entries if entry.kind == kind)
    before, lines = None, []
    for entry in entries:
        body = json.loads(json.dumps(entry.body))
        body.pop(chain.SIGNED_WITH, None)
        if entry.number == last:
            *way, name = field.split(".")
            inner = body
            for key in way:
                inner = inner[int(key) if key.isdigit() else key]
            inner[name] = value
        before = chain.follow(before, entry.kind, body, None)
        lines.append(before.line() + b"\n")
    (folder / "journal.jsonl").write_bytes(b"".join(lines))


def test_a_run_passes_its_audit_with_and_without_key_and_engine(finished: Path, secret: Path) -> None:
    before = digests(finished)
    done = fumehood_cli("audit", str(finished), "--json", FUMEHOOD_AUDIT_KEY=str(secret))
    found = json.loads(done.stdout)
    assert (done.returncode, found["passed"], found["finished"]) == (0, True, True)
    groups = {f["group"]: f["count"] for f in found["findings"] if f["status"] == "same"}
    assert {"signatures", "image", "limits of rooms", "scores", "openings of the seal"} <= groups.keys()
    unchecked = {f["detail"] for f in found["findings"] if f["status"] == "not_checked"}
    assert "only those of the best candidate are kept" in unchecked
    assert unchecked <= {"only those of the best candidate are kept", "only those of the winner are kept"}
    alone = fumehood_cli("audit", str(finished), DOCKER_HOST="unix:///nowhere/engine.sock")
    assert alone.returncode == 0
    assert "no engine" in alone.stdout
    assert "key not given: signatures not checked" in alone.stdout
    assert digests(finished) == before


def test_the_key_is_nowhere_in_the_run(finished: Path, secret: Path) -> None:
    key = secret.read_bytes()
    for path in (path for path in finished.rglob("*") if path.is_file()):
        content = path.read_bytes()
        assert not any(form in content for form in (key, key.hex().encode(), str(secret).encode())), path


def test_a_changed_file_is_a_violation(run: Path) -> None:
    path = predictions_file(run / "iterations" / "001" / "predictions", 1)
    path.write_bytes(bytes(path.stat().st_size))
    done = fumehood_cli("audit", str(run))
    assert done.returncode == 4
    assert "iterations/001/predictions/seed-1.bin: is not what the journal says" in done.stdout


def test_a_candidate_does_the_same_bits_again_and_leaves_no_trace(finished: Path) -> None:
    before = digests(finished)
    code, found = replay(finished)
    assert (code, found["verdict"], found["notes"]) == (0, "bit_by_bit", [])
    assert [seed["same"] for seed in found["seeds"]] == [True, True]
    assert found["then"] == found["now"]
    assert digests(finished) == before


def test_a_claim_that_does_not_come_again_is_found_out(run: Path) -> None:
    """The run's journal says another digest, and scores far above what the candidate reaches."""
    rewrite(run, "evaluated", "envelope.seeds.0.predictions_digest", "0" * 64)
    metric = fold(read(run / "journal.jsonl")).run.settings.goal.metric
    rewrite(run, "decided", f"score.metrics.{metric}.interval.low", 0.9999)
    rewrite(run, "decided", f"score.metrics.{metric}.interval.high", 1.0)
    code, found = replay(run)
    assert (code, found["verdict"]) == (1, "not_reproduced")
    assert [seed["same"] for seed in found["seeds"]] == [False, True]


def test_what_cannot_be_tried_again_is_refused_with_the_right_code(run: Path) -> None:
    assert replay(run, 9)[0] == 2
    source = run / "iterations" / "002" / "model.py"
    content = source.read_bytes()
    source.write_bytes(content + b"\n")
    assert replay(run)[0] == 2
    source.write_bytes(content)
    (run / "sealed" / "row-order.key").write_bytes(bytes(32))
    assert replay(run)[0] == 2
    shutil.rmtree(run / "sealed")
    assert replay(run)[0] == 2


def test_another_image_is_refused(run: Path) -> None:
    rewrite(run, "image", "sandbox.image_id", "sha256:" + "6" * 64)
    code, found = replay(run)
    assert (code, found["error"]["kind"]) == (6, "engine")


def test_the_shapes_of_weights_may_depend_on_the_order_of_a_set(lab: Lab, tmp_path: Path) -> None:
    seeds = (SeedSpec(seed=0, order=0),)
    job = Job(number=1, source=SET_ORDER, seeds=seeds)
    with lab.executor() as executor:
        first = executor.evaluate(job, fresh(tmp_path / "first"))
        again = executor.evaluate(job, fresh(tmp_path / "again"))
    assert [envelope.failure for envelope in (first, again)] == [None, None], "weights fit in the predict room"
    assert first.seeds[0].predictions_digest == again.seeds[0].predictions_digest
    hashes = [line for line in first.log_tail.split("\n") + again.log_tail.split("\n") if line.startswith("HASH")]
    assert len(hashes) == 2
    assert len(set(hashes)) == 1
    control = {order_of_set(str(number)) for number in range(8)}
    assert len(control) > 1, "the control: elsewhere the order is another one"


def fresh(folder: Path) -> Path:
    folder.mkdir()
    return folder


def order_of_set(hash_seed: str) -> str:
    program = 'print(list({"alpha", "beta", "gamma", "delta", "epsilon", "zeta"}))'
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    return subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    ).stdout


def test_a_room_for_the_same_candidate_sees_the_same_order_and_no_other_does(lab: Lab, tmp_path: Path) -> None:
    """The candidate adds up the rows that came before, so that it is refused with words that tell the order."""
    source = "import torch\nfrom torch import nn\nRECIPE = {'epochs': 1}\n"
    source += "def build_model(input_shape, num_outputs):\n    return nn.Linear(input_shape[0], num_outputs)\n"
    source += "def predict(model, inputs):\n    return torch.cumsum(inputs, 0)[:, :3].contiguous()\n"
    seeds = (SeedSpec(seed=0, order=0),)
    with lab.executor() as executor:
        first, again, other = (
            executor.evaluate(Job(number=number, source=source, seeds=seeds), fresh(tmp_path / name))
            for name, number in (("first", 1), ("again", 1), ("other", 2))
        )
    looks = [one.seeds[0].second_look for one in (first, again, other)]
    assert all(look is not None and look.disagreeing for look in looks)
    assert looks[0] == looks[1] != looks[2]
