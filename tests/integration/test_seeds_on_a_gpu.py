"""Seeds that are to run on a GPU run one after another, and nothing of one is left when the next begins.

The room has no GPU: what a candidate does while it is imported shows what it would meet there.
"""

import pytest

from fumehood import rooms
from integration.lab import Lab

pytestmark = pytest.mark.integration

LEAVES_A_DAEMON = """
import os, time
def alive():
    return len([name for name in os.listdir("/proc") if name.isdigit()])
print("found", alive(), flush=True)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(600)
    os._exit(0)
os.wait()
print("left", alive(), flush=True)
def build_model(input_shape, num_outputs):
    from torch import nn
    return nn.Linear(input_shape[0], num_outputs)
"""
"""What of the GPU's memory the daemon held would be missing to the next seed."""


def test_a_process_that_outlives_its_seed_is_ended_before_the_next_seed_begins(lab: Lab) -> None:
    with lab.host.room("train", lab.volume) as room:
        request = lab.request(room, seeds=3).model_copy(update={"device": "cuda"})
        outcome = rooms.train(room, request, LEAVES_A_DAEMON)
    supervisor_and_worker, with_the_daemon = "found 2", "left 3"
    assert outcome.log.splitlines() == [
        # The first tries all seeds as one, and finds no CUDA; what it leaves is ended as well.
        line
        for k in (0, 0, 1, 2)
        for line in (f"== worker {k}", supervisor_and_worker, with_the_daemon, "")
    ]
    assert all("CUDA" in (report.failure.message if report.failure else "") for report in outcome.reports)
