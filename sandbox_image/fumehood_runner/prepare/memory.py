"""Whether a step fits the memory of the room, asked before it is taken.

A room that runs over its limit is killed without a word, so the loader adds up what it is about to need and refuses
with both figures. Where no limit is visible nothing is refused here, and a ``MemoryError`` is the second net.
"""

from pathlib import Path

from fumehood_runner.prepare.refusals import Refused
from fumehood_shared.messages import RefusalKind

_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_USED = (Path("/sys/fs/cgroup/memory.current"), Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"))
_NO_LIMIT = 1 << 60
_MIB = 1 << 20


def require(nbytes: int, what: str, free: int | None = None) -> None:
    """Refuse where ``nbytes`` more do not fit. ``free`` is the room's free memory in bytes, None to look it up."""
    left = free_bytes() if free is None else free
    if left is not None and nbytes > left:
        raise Refused(
            RefusalKind.NOT_READABLE,
            f"The data does not fit the room: {what} would take about {nbytes // _MIB + 1} MiB of memory and "
            f"{left // _MIB} MiB are free. Use fewer rows or columns, or a policy with more memory.",
        )


def free_bytes() -> int | None:
    """Bytes between what this cgroup holds and its limit, page cache not counted; None where no limit is visible."""
    limit, used = _first(_LIMITS), _first(_USED)
    if limit is None or used is None or limit >= _NO_LIMIT:
        return None
    return max(limit - used + _reclaimable(), 0)


def _first(places: tuple[Path, ...]) -> int | None:
    for place in places:
        try:
            return int(place.read_text())
        except (OSError, ValueError):  # not this version of cgroups, or the word "max"
            continue
    return None


def _reclaimable() -> int:
    """Bytes of cached files, which the kernel gives back on demand (a tmpfs is not among them)."""
    for folder in (place.parent for place in _LIMITS):
        try:
            words = dict(line.split(maxsplit=1) for line in (folder / "memory.stat").read_text().splitlines())
        except (OSError, ValueError):
            continue
        if "inactive_file" in words:
            return int(words["inactive_file"]) + int(words.get("active_file", 0))
    return 0
