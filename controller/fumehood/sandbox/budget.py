"""How many rooms the engine's machine can hold at once, by its memory and its CPUs.

What rooms may use are upper bounds, and nothing is reserved: two runs that look at the same moment see the same free
memory. Every room carries its bound as a label; labels are anybody's to write, and at worst make us slow.
"""

from collections.abc import Mapping
from pathlib import Path

import docker

from fumehood.sandbox.owner import PREFIX

BYTES = PREFIX + "bytes"
_DIGITS = 15
_WARM_BYTES = 2 * 2**30
"""What a pair of rooms without a job may cost, generously: each is our own program with torch loaded."""


def label(host_bytes: int) -> dict[str, str]:
    """For a room that can hold ``host_bytes`` of the host's memory."""
    return {BYTES: str(host_bytes)}


def free_bytes(api: docker.APIClient, total: int, meminfo: Path = Path("/proc/meminfo")) -> int:
    """Memory of the engine's machine, ``total`` bytes, that no room may claim: ours and others'.

    Where the machine is this one, which is believed where both have as much memory, also no more than is unused now.
    """
    rooms = api.containers(all=True, filters={"label": [BYTES]})
    unclaimed = total - sum(_claim(room.get("Labels") or {}) for room in rooms)
    here = _meminfo(meminfo)
    return (
        min(unclaimed, here["MemAvailable"]) if here.get("MemTotal") == total and "MemAvailable" in here else unclaimed
    )


def at_once(free: int, each: int, cpus: int) -> int:
    """How many things of ``each`` bytes to have at once: one a CPU, as many as fit, and one in any case."""
    return max(1, min(cpus, free // each))


def warm_pairs(total: int, meminfo: Path = Path("/proc/meminfo")) -> int:
    """How many pairs of rooms without a job to keep, by the memory that is unused now; one where that is not known."""
    here = _meminfo(meminfo)
    return here["MemAvailable"] // _WARM_BYTES if here.get("MemTotal") == total and "MemAvailable" in here else 1


def candidates(free: int, each: int, cpus: int, seeds: int, gpus: int) -> int:
    """How many candidates of ``seeds`` seeds to have under way at once, with ``each`` bytes of rooms: at least one.

    A candidate wants a CPU a seed and, where ``gpus`` are granted, one of them for itself.
    """
    return max(1, min(cpus // min(seeds, cpus), free // each, gpus or cpus))


def _claim(labels: Mapping[str, str]) -> int:
    text = labels.get(BYTES, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _DIGITS else 0


def _meminfo(path: Path) -> dict[str, int]:
    """Bytes by name; empty where the system has no such file."""
    try:
        rows = (line.split() for line in path.read_text().splitlines())
        return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows if len(row) == 3}
    except (OSError, ValueError):
        return {}
