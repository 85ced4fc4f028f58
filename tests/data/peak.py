"""Permute a file of rows in a process of its own, and print the most memory that it held, in bytes."""

import re
import sys
from pathlib import Path

from fumehood.data import order
from fumehood_shared.messages import ArraySpec

if __name__ == "__main__":
    source, destination, rows, width = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    spec = ArraySpec(dtype="float32", shape=(rows, width))
    order.permute_file(source, destination, spec, order.permutation(b"k", "memory", rows))
    # Not getrusage: its peak begins with that of the process that started this one.
    print(int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024)
