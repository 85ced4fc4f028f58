"""A process that reads hostile inputs and nothing else, so that its memory is the memory that reading takes.

    python -m fuzz.reader MODULE:NAME

From standard input come inputs, each behind its length (8 bytes, little-endian). For each, one JSON line goes to
standard output: whether it was taken, the exception if there was one, and by how much the process has grown at most
since its start, in bytes (from the kernel, so that memory of libraries counts too).
"""

import importlib
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def main(named: str) -> None:
    module, _, name = named.partition(":")
    target: Callable[[bytes], bool] = importlib.import_module(module).TARGETS[name]
    start = _memory("VmRSS")
    while header := sys.stdin.buffer.read(8):
        answer = _answer(target, int.from_bytes(header, "little"))
        print(json.dumps({**answer, "grown": _memory("VmHWM") - start}), flush=True)


def _answer(target: Callable[[bytes], bool], size: int) -> dict[str, Any]:
    try:
        return {"taken": target(sys.stdin.buffer.read(size))}
    except Exception as error:  # noqa: BLE001  # which one it is, is the finding
        return {"error": f"{type(error).__name__}: {error}"[:2000]}


def _memory(field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    if found is None:
        raise RuntimeError(f"the kernel does not say {field}")
    return int(found[1]) * 1024


if __name__ == "__main__":
    main(sys.argv[1])
