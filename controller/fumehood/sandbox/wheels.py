"""Unpacked, hash-checked wheels for the image, made on the host so that the image needs neither pip nor a network.

A tree is installed from a lock file for the image's platform, not the host's; what no room needs at run time is
removed. Trees lie in the user's cache only while an image is built from them, by one process at a time.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock

from fumehood import cache
from fumehood.errors import EngineError

PLATFORM: Final = "linux/amd64"
PIP_TARGET: Final = (
    *("--python-version", "3.11", "--implementation", "cp"),
    *("--abi", "cp311", "--abi", "abi3", "--abi", "none", "--only-binary=:all:"),
    *(part for minor in range(28, 4, -1) for part in ("--platform", f"manylinux_2_{minor}_x86_64")),
    *(part for old in ("2014", "2010", "1") for part in ("--platform", f"manylinux{old}_x86_64")),
)
"""pip's options for Python 3.11 on Linux x86_64 with glibc 2.28 or older; every base we take has a newer one."""

UNUSED: Final = (
    "bin",
    "setuptools",
    "setuptools-*.dist-info",
    "pkg_resources",
    "_distutils_hack",
    "distutils-precedence.pth",
    "torch/include",
    "torch/share",
    "torch/test",
    "torch/bin/[!t]*",
    "torch/bin/test_*",
    "torch/lib/*_test.so",
    "torch/lib/libshm_windows",
    "torch/testing/_internal/py31[2-9]_*.py",
    "numpy/**/tests",
    "numpy/_core/include",
    "numpy/random/lib",
    "scipy/**/tests",
    "sympy/**/tests",
    "sympy/**/benchmarks",
    "networkx/**/tests",
    "mpmath/tests",
    "pyarrow/tests",
    "pyarrow/include",
    "sklearn/**/tests",
    "**/__pycache__",
    "**/*.a",
    "**/*.lib",
    "**/*.pyi",
    "**/*.pxd",
    "**/*.pyx",
    "**/*.h",
    "**/*.hpp",
    "**/*.cuh",
)
"""Patterns of what no room uses: headers, test suites, tools. ``torch_shm_manager`` stays: torch asks for it."""


@contextmanager
def unpacked(lock_files: Mapping[str, Path], progress: Callable[[str], None]) -> Iterator[dict[str, Path]]:
    """Folder with the trimmed packages of every lock file, by name; gone at the end, for pip keeps the wheels.

    The caller holds ``build_lock``. Raises ``EngineError`` where a wheel cannot be had or is not the locked one.
    """
    place = cache.folder() / "site"
    shutil.rmtree(place, ignore_errors=True)  # an earlier build was killed
    try:
        yield {name: _make(lock_file, place / name, progress) for name, lock_file in lock_files.items()}
    finally:
        shutil.rmtree(place, ignore_errors=True)


_NOT_TO_BE_HAD = ("No matching distribution", "ResolutionImpossible")
"""What pip says of a version that no index has; the latter where a constraint of the user's names that package too."""


def build_lock() -> FileLock:
    """Held while images are made, by one process of this user at a time."""
    folder = cache.folder()
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / "build.lock")


def digest(lock_file: Path) -> str:
    """SHA-256 over what decides a tree's content: the lock, the platform and the list of what is removed."""
    parts = (lock_file.read_text(), *PIP_TARGET, *UNUSED)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def extra_index() -> list[str]:
    """pip's option for ``TORCH_INDEX_URL``, where it is set."""
    url = os.environ.get("TORCH_INDEX_URL")
    return ["--extra-index-url", url] if url else []


def _make(lock_file: Path, place: Path, progress: Callable[[str], None]) -> Path:
    count = sum("==" in line for line in lock_file.read_text().splitlines() if not line.startswith("#"))
    progress(f"fetching and unpacking {count} wheels of {lock_file.name}")
    place.mkdir(parents=True)
    _install(lock_file, place)
    _trim(place)
    return place


def _install(lock_file: Path, target: Path) -> None:
    """Let pip unpack exactly the locked wheels; it inherits the user's configuration of indexes."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    command += ["--no-deps", "--no-compile", "--require-hashes", "--target", str(target), *PIP_TARGET, *extra_index()]
    done = subprocess.run([*command, "-r", str(lock_file)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise _failure(lock_file, done.stderr)


def _failure(lock_file: Path, output: str) -> EngineError:
    errors = [line for line in output.splitlines() if line.startswith("ERROR")] or output.splitlines()[-3:]
    said = " ".join(errors)[:600]
    if "+cpu" in output and any(words in said for words in _NOT_TO_BE_HAD):
        return EngineError(
            f"the configured package indexes do not have PyTorch's CPU build: {said}",
            "set TORCH_INDEX_URL to PyTorch's CPU wheel index (or `make image TORCH_INDEX_URL=...`); "
            "no other build is taken in its place",
        )
    return EngineError(
        f"pip could not fetch the wheels of {lock_file.name}: {said}",
        "check the network and pip's index settings; a wheel whose digest differs from the lock is never used",
    )


def _trim(folder: Path) -> None:
    """Remove what ``UNUSED`` names."""
    for path in _matches(folder, UNUSED):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _matches(folder: Path, patterns: Iterable[str]) -> Iterator[Path]:
    for pattern in patterns:
        yield from list(folder.glob(pattern))
