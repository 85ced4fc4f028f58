"""Ctrl-C, once and twice, at seeded random moments."""

import random
import signal
import time
from contextlib import closing
from pathlib import Path

import docker

from chaos import moments
from chaos.ear import Ear
from chaos.runs import REACHED_S, Run, interrupt, kinds, remains
from integration.lab import wait_until

ORDERLY_S = 30.0
AT_ONCE_S = 2.0
BETWEEN_S = 0.1
"""From the first Ctrl-C to the second."""


def interrupted(
    api: docker.APIClient, run: Run, state: Path, others: set[str], stage: str, times: int, chance: random.Random
) -> list[str]:
    """What went wrong when the run was interrupted once or twice at ``stage``; it is left as it then is."""
    # In the background of a shell Ctrl-C is switched off, for everything that is started there too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with closing(Ear(api)) as ear, run.started() as process:
        if not wait_until(lambda: moments.reached(ear, run, stage) or process.poll() is not None, REACHED_S, 0.002):
            return [f"{stage} was not reached"]
        if stage != "data_prepared":
            time.sleep(chance.uniform(0.0, moments.LONGEST_S / 2))
        if process.poll() is not None:
            return [] if run.ended else [f"{stage}: ended by itself with {process.returncode}"]
        interrupt(process)
        if times == 2:
            time.sleep(BETWEEN_S)
            interrupt(process)
        began = time.monotonic()
        _, said = process.communicate(timeout=60)
        took = time.monotonic() - began
    wrong = [] if process.returncode == 130 else [f"Ctrl-C at {stage} ended with {process.returncode}: {said[-300:]}"]
    if times == 1 and kinds(run.folder) and f"fumehood {run.next_command[0]} {run.folder}" not in said:
        wrong.append(f"Ctrl-C at {stage} does not say how to go on: {said[-300:]}")
    if "Traceback" in said:
        wrong.append(f"Ctrl-C at {stage} shows a traceback: {said[-300:]}")
    if took > (ORDERLY_S if times == 1 else AT_ONCE_S):
        wrong.append(f"Ctrl-C {times} times at {stage} took {took:.1f} s")
    return wrong + [f"Ctrl-C at {stage}: {what} is left" for what in remains(api, run, state, others)]
