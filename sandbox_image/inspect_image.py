"""Looks at the image from inside a throw-away container and prints what it sees as one JSON line.

Run by ``fumehood image verify`` as ``python -c THIS STAGE``; it is not part of the image. It goes through the image's
own entry point up to the supervisor, so a room's clean environment and import path are what is looked at.
"""

import hashlib
import importlib
import importlib.metadata
import importlib.util
import json
import os
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

HOME = Path("/opt/fumehood")
LIBRARIES = {
    "sandbox": (
        *("torch", "torchvision.models", "torchvision.transforms.v2", "numpy", "scipy.stats", "safetensors.torch"),
        *("pydantic", "PIL.Image", "fumehood_shared", "fumehood_runner"),
    ),
    "prepare": ("pyarrow.parquet", "sklearn.datasets", "sklearn.preprocessing"),
}
SCRATCH = "/dev/shm"  # noqa: S108
"""torch wants some writable folder; /tmp is looked at as the image has it, and not covered by a tmpfs here."""
FOREIGN = ("sklearn", "pandas", "pyarrow", "pip", "ensurepip", "setuptools")
COMPILERS = ("cc", "c++", "gcc", "g++", "clang", "tcc", "as", "ld", "nvcc", "rustc", "go")
CACHES = ("/var/cache/apt", "/var/lib/apt/lists", "/var/cache/debconf", "/root/.cache", "/tmp", "/var/tmp", "/var/log")  # noqa: S108
EMPTY = ("/exchange", "/data", "/tmp")  # noqa: S108
DATA_SUFFIXES = (
    ".csv",
    ".gz",
    ".npz",
    ".npy",
    ".mat",
    ".arff",
    ".parquet",
    ".feather",
    ".pkl",
    ".pt",
    ".h5",
    ".xz",
    ".bz2",
    ".dat",
)
"""Kinds of files that data sets are shipped in."""


def entry_point() -> ModuleType:
    """The image's own ``enter.py``, loaded and not run."""
    spec = importlib.util.spec_from_file_location("enter", HOME / "enter.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(HOME / "enter.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def failures(names: tuple[str, ...]) -> dict[str, str]:
    """Libraries that cannot be imported, and why."""
    found = {}
    for name in names:
        try:
            importlib.import_module(name)
        except (ImportError, OSError, RuntimeError, AssertionError, AttributeError) as error:
            found[name] = f"{type(error).__name__}: {error}"[:300]
    return found


def files(root: str) -> list[Path]:
    """Every file and folder of the image below ``root``, but for what the engine mounts."""
    mounted = {"/proc", "/sys", "/dev"}
    found: list[Path] = []
    for folder, folders, names in os.walk(root):
        folders[:] = [f for f in folders if str(Path(folder, f)) not in mounted]
        found += (Path(folder, name) for name in (*folders, *names))
    return found


def set_ids(paths: list[Path]) -> list[str]:
    return [str(p) for p in paths if not p.is_symlink() and p.lstat().st_mode & 0o6000]


def data_files(paths: list[Path]) -> list[str]:
    return [str(p.relative_to(HOME)) for p in paths if p.is_relative_to(HOME) and p.name.endswith(DATA_SUFFIXES)]


def content(folder: str) -> list[Path]:
    """What lies in ``folder``; nothing where it is absent or closed to us (root's look sees it)."""
    return list(Path(folder).iterdir()) if os.access(folder, os.R_OK | os.X_OK) else []


def own_digests() -> dict[str, str]:
    """Digest of every file of ours that is not bytecode."""
    own = [HOME / "enter.py", *(p for p in (HOME / "app").rglob("*") if p.is_file() and p.suffix != ".pyc")]
    return {str(p.relative_to(HOME)): hashlib.sha256(p.read_bytes()).hexdigest() for p in own}


def look(stage: str, environment: dict[str, str]) -> dict[str, Any]:
    paths = files("/")
    wanted = LIBRARIES["sandbox"] + (LIBRARIES["prepare"] if stage == "prepare" else ())
    return {
        "environment": environment,
        "foreign": [name for name in FOREIGN if importlib.util.find_spec(name)],
        "failures": failures(wanted) if os.getuid() else {},
        "set_ids": set_ids(paths),
        "data_files": data_files(paths),
        "compilers": [name for name in COMPILERS if shutil.which(name, path="/usr/local/bin:/usr/bin:/bin")],
        "caches": [str(p) for folder in CACHES for p in content(folder)],
        "not_empty": [folder for folder in EMPTY if not Path(folder).is_dir() or content(folder)],
        "digests": own_digests(),
        "uid": os.getuid(),
        "torch": importlib.metadata.version("torch"),
    }


def main() -> None:
    enter = entry_point()
    enter.start_over()
    environment = dict(os.environ)
    os.environ.update(enter.SETTINGS, TMPDIR=SCRATCH)
    enter.set_paths()
    importlib.import_module("torchvision_shim").install()
    print(json.dumps(look(sys.argv[1], environment)))


if __name__ == "__main__":
    main()
