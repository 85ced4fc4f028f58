"""Processor time, peak memory and OOM kills of one room: from its cgroup's files where they can be read, else from the
engine. And whether it is alive, from the kernel.

The engine samples all rooms once a second, and whoever asks twice within that second waits for the next sample: two
thirds of a second per candidate. The files answer at once, and under cgroup v2 they alone know the peak. Nothing in a
room can write them.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import docker

_ENDED = ("Z", "X")


class Usage(NamedTuple):
    """None stands for what neither kernel nor engine tells."""

    cpu_s: float | None
    peak_memory_bytes: int | None
    oom_kills: int | None = None
    """Processes of the room that the kernel killed for its memory limit. Of a container that still runs, Docker says
    nothing of them when it is inspected.
    """


def usage(api: docker.APIClient, container: str, pid: int) -> Usage:
    """Of the running ``container`` (its full id), whose first process the engine knows as ``pid``."""
    return from_files(container, pid) or _from_engine(api, container)


def from_files(
    container: str, pid: int, proc: Path = Path("/proc"), tree: Path = Path("/sys/fs/cgroup")
) -> Usage | None:
    """None where the engine is on another machine, or cgroups are not where they usually are.

    A process of that number may exist here although the engine runs elsewhere: only a cgroup that is named after the
    container is believed.
    """
    try:
        groups = _groups(container, pid, proc)
        return _version_1(tree, groups) if "memory" in groups else _version_2(tree / groups[""])
    except (OSError, ValueError, KeyError):
        return None


def is_here(container: str, pid: int, proc: Path = Path("/proc")) -> bool:
    """Whether the engine runs on this machine, so that ``pid`` is the first process of ``container`` (its full id)."""
    try:
        return bool(_groups(container, pid, proc))
    except (OSError, ValueError):
        return False


def is_over(pid: int, proc: Path = Path("/proc")) -> bool:
    """Whether the process of this machine has ended; the kernel ends a room's others before its first one counts so."""
    try:
        return (proc / f"{pid}/stat").read_text().rpartition(")")[2].split()[0] in _ENDED
    except OSError:
        return True


def _groups(container: str, pid: int, proc: Path) -> dict[str, str]:
    """Controller -> path of the control group that is named after the container."""
    lines = (line.split(":", 2) for line in (proc / f"{pid}/cgroup").read_text().splitlines())
    return {name: path.strip("/") for _, names, path in lines for name in names.split(",") if container in path}


def _version_1(tree: Path, groups: Mapping[str, str]) -> Usage:
    nanoseconds = int((tree / "cpuacct" / groups["cpuacct"] / "cpuacct.usage").read_text())
    peak = int((tree / "memory" / groups["memory"] / "memory.max_usage_in_bytes").read_text())
    return Usage(nanoseconds / 1e9, peak, _oom_kills(tree / "memory" / groups["memory"] / "memory.oom_control"))


def _version_2(folder: Path) -> Usage:
    """Kernels before 5.19 have no ``memory.peak``."""
    words = dict(line.split() for line in (folder / "cpu.stat").read_text().splitlines())
    peak = folder / "memory.peak"
    found = int(peak.read_text()) if peak.is_file() else None
    return Usage(int(words["usage_usec"]) / 1e6, found, _oom_kills(folder / "memory.events"))


def _oom_kills(table: Path) -> int:
    return int(dict(line.split() for line in table.read_text().splitlines())["oom_kill"])


def _from_engine(api: docker.APIClient, container: str) -> Usage:
    stats = api.stats(container, stream=False, one_shot=True)
    cpu = stats.get("cpu_stats", {}).get("cpu_usage", {}).get("total_usage")
    # The engine's own clock, because it may be another machine's.
    now = datetime.fromisoformat(api.info()["SystemTime"]).timestamp()
    kills = api.events(since=1, until=now, filters={"container": container, "event": "oom"})
    peak = stats.get("memory_stats", {}).get("max_usage")
    return Usage(cpu / 1e9 if cpu is not None else None, peak, sum(1 for _ in kills))
