"""A worker uses its memory again; results do not know of it."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.runner

FAULTS = """
import resource, sys
import torch
from fumehood_runner.memory import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(40 * 2**20, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

torch.set_num_threads(1)
faults()
fresh = min(faults() for _ in range(3))
keep_freed_memory()
faults()
print(fresh, max(faults() for _ in range(3)))
"""


@pytest.mark.skipif(not hasattr(os, "confstr") or "glibc" not in os.confstr("CS_GNU_LIBC_VERSION"), reason="not glibc")
def test_a_tensor_gets_the_memory_of_the_one_before_it() -> None:
    """40 MiB are 10240 pages of 4 KiB; glibc maps what is larger than 32 MiB anew each time, whatever was freed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, env=environment, check=True)
    fresh, kept = map(int, done.stdout.split())
    assert kept < 100, (fresh, kept)
    assert kept < fresh, "the first tensors came from kept memory as well"
