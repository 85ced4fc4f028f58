"""Seeds forked from one warm process, as in a room: no deadlock, no shared state, every report complete."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.runner

PROGRAM = """
import os, sys
from pathlib import Path
from time import monotonic
import torch
from fumehood_runner.seeds import train_seed, warm_up
from runner.seed_room import Room, images
from fumehood_shared.messages import SeedSpec, TrainRequest, ArraySpec

SOURCE = '''
from torch import nn

def build_model(input_shape, num_outputs):
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(num_outputs))
'''

root = Path(sys.argv[1])
data = images()
room = Room(root, data, SOURCE)
warm_up()
assert len(os.listdir("/proc/self/task")) == 1, "a thread pool exists before the fork"
job = data.job(0, 0) | {"threads": 6, "seeds": tuple(SeedSpec(seed=s, order=s) for s in range(3))}
request = TrainRequest(
    **job,
    inputs=ArraySpec(dtype="float32", shape=data.inputs.shape),
    targets=ArraySpec(dtype="int64", shape=data.targets.shape),
    overrides={"epochs": 2},
)
workers = []
for index in range(3):
    pid = os.fork()
    if pid == 0:
        report = train_seed(request, index, room.folders, started=monotonic())
        assert torch.get_num_threads() == 2, "six threads for three seeds"
        (root / f"report-{index}").write_text(report.model_dump_json())
        os._exit(0)
    workers.append(pid)
assert [os.waitpid(pid, 0)[1] for pid in workers] == [0, 0, 0]
"""


def test_forked_seeds_train_side_by_side(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], check=True, timeout=120, env=_environment())
    weights = {(tmp_path / "handover" / f"seed-{k}" / "weights.safetensors").read_bytes() for k in range(3)}
    assert len(weights) == 3
    assert all('"failure":null' in (tmp_path / f"report-{k}").read_text() for k in range(3))


def _environment() -> dict[str, str]:
    return {"PYTHONPATH": ":".join(path for path in sys.path if path), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
