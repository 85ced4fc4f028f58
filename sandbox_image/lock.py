"""Write the lock files of the sandbox image from the extras ``sandbox`` and ``prepare`` of ``pyproject.toml``.

pip resolves for the image's platform and reports the digest of every wheel it chose; nothing is installed. The result
holds names, versions and digests only, so it is the same wherever the wheels were fetched from. Run by ``make lock``.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from fumehood.sandbox.wheels import PIP_TARGET, extra_index

HERE = Path(__file__).resolve().parent
CPU_TORCH = "+cpu"
"""Local version of PyTorch's builds without CUDA. The cuda lock takes the build without a local version."""

Pins = dict[str, str]
"""Requirement ``name==version`` -> SHA-256 of its one wheel, hexadecimal."""


def resolve(requirements: Iterable[str]) -> Pins:
    """Every package that ``requirements`` need on the image's platform."""
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch, "report.json")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        command += ["--target", scratch, "--report", str(report), *PIP_TARGET, *extra_index()]
        subprocess.run([*command, *requirements], check=True)
        return dict(pin(item) for item in json.loads(report.read_text())["install"])


def pin(item: dict[str, Any]) -> tuple[str, str]:
    """One entry of pip's installation report as requirement and digest."""
    name = item["metadata"]["name"].lower().replace("_", "-")
    download = item["download_info"]
    digest = download.get("archive_info", {}).get("hashes", {}).get("sha256") or local_digest(download["url"])
    return f"{name}=={item['metadata']['version']}", digest


def local_digest(url: str) -> str:
    """SHA-256 of a wheel on this machine, for indexes that publish no digests."""
    with Path(unquote(urlsplit(url).path)).open("rb") as wheel:
        return hashlib.file_digest(wheel, "sha256").hexdigest()


def write(name: str, about: str, pins: Pins) -> None:
    """Write ``requirements-NAME.txt``, sorted."""
    entries = (f"{pinned} \\\n    --hash=sha256:{digest}\n" for pinned, digest in sorted(pins.items()))
    header = f"# {about}\n# Python 3.11, Linux x86_64. Written by `make lock` from pyproject.toml; do not edit.\n"
    (HERE / f"requirements-{name}.txt").write_text(header + "".join(entries))


def torch_build(requirements: Iterable[str], local: str) -> list[str]:
    """``requirements`` with torch tied to one build; ``===`` keeps other local versions out."""
    return [f"{r.replace('==', '===')}{local}" if r.startswith("torch==") else r for r in requirements]


def main() -> None:
    extras = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    sandbox = torch_build(extras["sandbox"], CPU_TORCH)
    cpu = resolve(sandbox)
    everything = resolve([*sandbox, *extras["prepare"]])
    write("cpu", "What a room on the CPU imports.", cpu)
    write("prepare", "What the prepare room has beside it.", {k: v for k, v in everything.items() if k not in cpu})
    write("cuda", "What a room on a GPU imports.", resolve(torch_build(extras["sandbox"], "")))


if __name__ == "__main__":
    main()
