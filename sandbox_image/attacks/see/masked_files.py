"""Reads what the kernel tells about keys, timers, interrupts and firmware of the whole host."""

from pathlib import Path

import kit

FILES = (
    "keys",
    "timer_list",
    "timer_stats",
    "sched_debug",
    "latency_stats",
    "asound/cards",
    "acpi/wakeup",
    "scsi/scsi",
)


def attack():
    files = [f"/proc/{name}" for name in FILES]
    files += [str(path) for path in Path("/sys/firmware").glob("*/*")]
    return kit.some((path for path in files if any(kit.content(path))), "files of the kernel's")
