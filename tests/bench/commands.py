"""Commands of the program as child processes: wall time, processor time and peak memory of what a user types."""

import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from fumehood import assets
from fumehood.sandbox import engine

_PROGRAM = [sys.executable, "-c", "from fumehood.cli import main; main()"]
"""What the installed ``fumehood`` command does."""
_LABEL = "fumehood.bench"
_LOOKS_MS = 20
"""Between two looks at a child's memory. Its end is noticed at once."""
_MAY_END_WITH = (0, 1)
"""1: a goal that was not met is a run like any other."""


@dataclass(frozen=True)
class Usage:
    """Of one ended child and of the children that it waited for."""

    wall_s: float
    cpu_s: float
    peak_rss_mb: float
    """MB of 10**6 bytes; of the program's process alone."""
    stdout: bytes


def used(
    arguments: Sequence[str],
    environment: Mapping[str, str] | None = None,
    may_end_with: Sequence[int] = _MAY_END_WITH,
) -> Usage:
    """Run ``fumehood ARGUMENTS``. Raises RuntimeError, with its last words, where it fails."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.perf_counter()
        child = subprocess.Popen([*_PROGRAM, *arguments], stdout=out, stderr=err, env=environment)
        peak = _watched(child.pid)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if child.returncode not in may_end_with:
            tail = err.read()[-800:].decode(errors="replace")
            raise RuntimeError(f"fumehood {arguments[0]} ended with {child.returncode}: {tail}")
        return Usage(wall, usage.ru_utime + usage.ru_stime, peak / 1e6, out.read())


def _watched(pid: int) -> int:
    """Peak bytes of a child that was just started, once it has ended.

    What ``wait4`` tells begins with the peak of whoever started it, because that is where a new process comes from.
    """
    peak, ended = 0, select.poll()
    handle = os.pidfd_open(pid)
    try:
        ended.register(handle, select.POLLIN)
        while not ended.poll(_LOOKS_MS):
            if found := re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text()):
                peak = max(peak, 1024 * int(found[1]))
    finally:
        os.close(handle)
    return peak


def help_ms(times: int) -> float:
    """Median milliseconds of ``fumehood --help`` in a fresh process."""
    return median(used(["--help"]).wall_s for _ in range(times)) * 1000


def demo_s(demo: Sequence[str], times: int) -> list[float]:
    """Wall seconds of ``make demo``'s two commands where environment and image are there."""
    return [used(["image", "build"]).wall_s + _run(demo).wall_s for _ in range(times)]


def demo_cold_s(demo: Sequence[str], *, libraries: bool) -> float:
    """The same where the image is not there: a copy of the sources with a changed input, built under its own tag.

    ``libraries``: build the layers that hold them anew, too. The images made here are removed again; those they share
    layers with are not touched.
    """
    nonce = uuid.uuid4().hex
    with _changed_sources(nonce, libraries=libraries) as root:
        environment = {**os.environ, "PYTHONPATH": f"{root / 'controller'}{os.pathsep}{root / 'shared'}"}
        try:
            building = used(["image", "build"], environment).wall_s
            return building + _run(demo, environment).wall_s
        finally:
            _remove_images(nonce)


def _run(arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> Usage:
    with tempfile.TemporaryDirectory(prefix="fumehood-bench-") as folder:
        return used(["run", *arguments, "--workdir", str(Path(folder) / "run")], environment)


@contextmanager
def _changed_sources(nonce: str, *, libraries: bool) -> Iterator[Path]:
    """A copy of the sources whose image carries the label ``nonce`` below our layers, and so is a new one."""
    changed = ("Dockerfile", "Dockerfile.site") if libraries else ("Dockerfile",)
    with tempfile.TemporaryDirectory(prefix="fumehood-bench-") as folder:
        copy = Path(folder)
        for package in ("controller", "shared", "sandbox_image", "policies"):
            shutil.copytree(assets.root() / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
        for name in changed:
            dockerfile = copy / "sandbox_image" / name
            text = re.sub(r"(?m)^FROM .*$", rf"\g<0>\nLABEL {_LABEL}={nonce}", dockerfile.read_text())
            dockerfile.write_text(text)
        yield copy


def _remove_images(nonce: str) -> None:
    """Remove the images that carry the label; layers that other images hold stay."""
    client = engine.connect()
    for image in client.api.images(filters={"label": f"{_LABEL}={nonce}"}):
        for tag in image.get("RepoTags") or ():
            client.api.remove_image(tag)
