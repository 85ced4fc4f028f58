"""The machine that was measured: numbers without it mean nothing."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fumehood.sandbox import engine, image

_MB = 10**6


def describe() -> dict[str, Any]:
    """Processor, memory, kernel, engine, load and date. Linux only, as everything here."""
    return {
        "cpu": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "engine": engine.describe(engine.connect()),
        "load_1min_before": round(os.getloadavg()[0], 2),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def image_mb() -> dict[str, float]:
    """MB (10**6 bytes) of each of the two images as the engine counts them; they share their lower layers."""
    client = engine.connect()
    images = image.find(client)
    ids = {"sandbox": images.sandbox.image_id, "prepare": images.prepare.image_id}
    return {stage: client.api.inspect_image(image_id)["Size"] / _MB for stage, image_id in ids.items()}


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
