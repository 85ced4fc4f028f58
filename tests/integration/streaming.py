"""Take a data set through the controller as a run does, and print the most memory that this process held.

``python streaming.py DATA FOLDER`` prepares the data set, fills the training volume, has one candidate trained in name
only, and predicts the validation rows. One JSON document on stdout: ``peak`` in bytes, ``prepare_s`` in seconds, and
``rows`` and ``predicted``, how many validation rows there are and how many were answered.
"""

import json
import re
import sys
import time
from pathlib import Path

from fumehood import policy, preparation
from fumehood.executors import Job
from fumehood.executors.local import predictions_file
from fumehood.laboratory import Laboratory, warm_rooms
from fumehood.progress import SilentProgress
from fumehood.records import Design
from fumehood.sandbox.host import open_host
from fumehood_shared.messages import SeedSpec

CANDIDATE = """\
from torch import nn


def build_model(input_shape, num_outputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(input_shape[0] * input_shape[1] * input_shape[2], num_outputs))


def train(model, data, context):
    assert len(data.inputs) == len(data.targets) > 30_000
"""


def streamed(data: str, folder: Path) -> dict[str, float]:
    design = Design(metric="accuracy", seeds=(0,), confidence_level=0.95, device="cpu")
    with open_host(policy.load("standard"), run_id="streaming") as host, warm_rooms(host) as pools:
        began = time.monotonic()
        dataset = preparation.prepare(host, folder / "sealed", data, split_seed=0).dataset
        prepare_s = time.monotonic() - began
        laboratory = Laboratory(host, folder / "sealed", folder / "scratch", dataset, design, SilentProgress())
        job = Job(number=1, source=CANDIDATE, seeds=(SeedSpec(seed=0, order=0),))
        with laboratory.executor(pools) as executor:
            envelope = executor.evaluate(job, folder)
        assert envelope.failure is None, envelope
    answers = predictions_file(folder / "predictions", 0).stat().st_size
    rows = dataset.arrays["validation_inputs"].shape[0]
    return {"prepare_s": prepare_s, "rows": rows, "predicted": answers // (4 * dataset.num_outputs)}


if __name__ == "__main__":
    found = streamed(sys.argv[1], Path(sys.argv[2]))
    status = Path("/proc/self/status").read_text()
    # Not getrusage: its peak begins with that of the process that started this one.
    print(json.dumps({**found, "peak": int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024}))
