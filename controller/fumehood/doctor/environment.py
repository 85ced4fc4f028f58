"""The Python environment that the controller runs in: its packages, and what starts together with Python."""

import platform
import re
import site
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from fumehood.doctor.check import Check

PACKAGES: Final = (
    "alembic", "click", "docker", "filelock", "httpx", "jinja2", "litellm", "matplotlib", "memori", "numpy", "optuna",
    "platformdirs", "pooch", "pydantic", "pydantic-settings", "rich", "scikit-learn", "scipy", "sqlalchemy",
    "structlog", "tenacity",
)  # fmt: skip
LOOKED_AT: Final = {"litellm": "1.106.2", "memori": "3.3.6"}
"""Packages that see secrets or everything that is remembered: the versions whose sources were looked at."""
STOLEN: Final = {"litellm": ("1.82.7", "1.82.8")}
"""Releases that sent credentials away from whoever imported them."""
USUAL_PTH: Final = (
    "import os; var = 'SETUPTOOLS_USE_DISTUTILS'; enabled = os.environ.get(var, 'local') == 'local'; "
    "enabled and __import__('_distutils_hack').add_shim()",
    "import _virtualenv",
)
"""Whole lines that setuptools and virtualenv put into every environment."""
_REACHES_OUT: Final = re.compile(r"\b(?:base64|subprocess|urllib|requests|httpx|socket|ctypes|Popen|system)\b")
"""What no line has to do with that only finds packages."""


def checks() -> Iterator[Check]:
    yield python_check()
    yield packages_check({name: _installed(name) for name in PACKAGES})
    yield pth_check(_pth_lines(_site_folders()))


def python_check() -> Check:
    """The controller's own interpreter."""
    return Check(name="Python", status="ok", seen=f"{platform.python_version()} at {sys.executable}")


def packages_check(found: Mapping[str, str | None]) -> Check:
    """Installed versions, by name; None where a package is absent."""
    seen = ", ".join(f"{name} {text}" for name, text in found.items() if text)
    stolen = [f"{name} {found[name]}" for name, bad in STOLEN.items() if found.get(name) in bad]
    if stolen:
        hint = f"{stolen[0]} steals credentials: remove it, and replace every key this account could read"
        return Check(name="packages", status="fail", seen=seen, hint=hint)
    if absent := [name for name in PACKAGES if not found.get(name)]:
        hint = f"reinstall fumehood; missing: {', '.join(absent)}"
        return Check(name="packages", status="fail", seen=seen or "none", hint=hint)
    if others := [name for name, text in LOOKED_AT.items() if found.get(name) != text]:
        hint = f"reinstall fumehood: it was looked at with {', '.join(f'{name} {LOOKED_AT[name]}' for name in others)}"
        return Check(name="packages", status="warn", seen=seen, hint=hint)
    return Check(name="packages", status="ok", seen=seen)


def pth_check(lines: Mapping[str, list[str]]) -> Check:
    """Files in the environment whose lines run at every start of Python: where stolen packages like to sit."""
    unusual = {name: [line for line in found if line.rstrip("; ") not in USUAL_PTH] for name, found in lines.items()}
    odd = [name for name, found in unusual.items() if found]
    if worst := [name for name in odd if any(map(_REACHES_OUT.search, unusual[name]))]:
        hint = "they start programs, reach out or hide what they do at every start of Python: so do stolen packages"
        return Check(name=".pth files", status="fail", seen=", ".join(worst), hint=hint)
    if odd:
        hint = "they run code at every start of Python: read them, and know who put them there"
        return Check(name=".pth files", status="warn", seen=", ".join(odd), hint=hint)
    return Check(name=".pth files", status="ok", seen="none runs unknown code at the start of Python")


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _site_folders() -> list[Path]:
    return [Path(folder) for folder in dict.fromkeys([*site.getsitepackages(), site.getusersitepackages()])]


def _pth_lines(folders: Iterable[Path]) -> dict[str, list[str]]:
    """Name of every ``.pth`` file -> the lines that Python executes whenever it starts in this environment."""
    found: dict[str, list[str]] = {}
    for folder in folders:
        try:
            found |= {path.name: _executed(path) for path in sorted(folder.glob("*.pth"))}
        except OSError as error:  # what cannot be looked at does not pass
            found[str(error.filename or folder)] = [f"cannot be read: {error.strerror}"]
    return found


def _executed(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return [line.strip() for line in lines if line.startswith(("import ", "import\t"))]
