"""What the image is made of is signed or hashed, and what could gain rights in it is taken away."""

import hashlib
import os
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from fumehood import assets
from fumehood.errors import EngineError
from fumehood.sandbox import base, wheels

pytestmark = pytest.mark.unit
RELEASE = "Origin: Debian\nSuite: bookworm\nCodename: bookworm\nArchitectures: amd64\nComponents: main\nSHA256:\n"


# ---- debootstrap -----------------------------------------------------------------------------------------------------


def debootstrapped(command: list[str], mirror: Path) -> str:
    done = subprocess.run([*command, f"file://{mirror}"], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 0
    return done.stdout + done.stderr


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("debootstrap") or not base.KEYRING.exists(),
    reason="a base is made with debootstrap by root only, where no registry gave one",
)
def test_an_archive_without_debian_s_signature_is_refused(tmp_path: Path) -> None:
    release = tmp_path / "mirror" / "dists" / "bookworm" / "Release"
    release.parent.mkdir(parents=True)
    release.write_text(RELEASE)
    command = base.command(base.Debootstrap(), tmp_path / "tree")
    assert "Release.gpg" in debootstrapped(command, tmp_path / "mirror")
    trusting = ["--no-check-gpg" if option == "--force-check-gpg" else option for option in command]
    assert "Release.gpg" not in debootstrapped(trusting, tmp_path / "mirror")


def test_set_id_bits_are_stripped_and_nothing_outside_is_touched(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("x")
    outside.chmod(0o4755)
    tree = tmp_path / "tree"
    (tree / "bin").mkdir(parents=True)
    for name, mode in (("su", 0o4755), ("wall", 0o2755), ("both", 0o6711), ("plain", 0o755)):
        (tree / "bin" / name).write_text("x")
        (tree / "bin" / name).chmod(mode)
    (tree / "mail").mkdir()
    (tree / "mail").chmod(0o2775)
    (tree / "link").symlink_to(outside)
    base.strip(tree, ())
    assert [str(path) for path in tree.rglob("*") if path.lstat().st_mode & 0o6000 and not path.is_symlink()] == []
    assert (tree / "bin" / "both").stat().st_mode & 0o777 == 0o711
    assert outside.stat().st_mode & 0o4000


# ---- wheels ----------------------------------------------------------------------------------------------------------


def wheel(folder: Path) -> Path:
    path = folder / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny.py", "")
        archive.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("tiny-1.0.dist-info/RECORD", "")
    return path


def source(folder: Path) -> Path:
    """A source package, whose set-up program would run on the host."""
    (folder / "setup.py").write_text("from setuptools import setup\nsetup(name='tiny', version='1.0')\n")
    path = folder / "tiny-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder / "setup.py", "tiny-1.0/setup.py")
    return path


def locked(path: Path) -> str:
    return f"tiny==1.0 --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes packages from, and from nowhere else."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("FUMEHOOD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.delenv("TORCH_INDEX_URL", raising=False)
    return folder


def unpacked(lock: Path) -> list[str]:
    lock.parent.joinpath("cache").mkdir(exist_ok=True)
    with wheels.unpacked({"site": lock}, print) as trees:
        return sorted(path.name for path in trees["site"].iterdir())


def test_a_locked_wheel_is_unpacked(index: Path, tmp_path: Path) -> None:
    (tmp_path / "lock.txt").write_text(locked(wheel(index)))
    assert "tiny.py" in unpacked(tmp_path / "lock.txt")


def test_a_source_package_is_not_built_though_its_hash_is_right(index: Path, tmp_path: Path) -> None:
    (tmp_path / "lock.txt").write_text(locked(source(index)))
    with pytest.raises(EngineError, match="No matching distribution"):
        unpacked(tmp_path / "lock.txt")


@pytest.mark.parametrize("line", ["tiny==1.0\n", f"tiny==1.0 --hash=sha256:{'0' * 64}\n"])
def test_a_wheel_that_is_not_the_locked_one_is_refused(index: Path, tmp_path: Path, line: str) -> None:
    wheel(index)
    (tmp_path / "lock.txt").write_text(line)
    with pytest.raises(EngineError, match=r"(?i)hash"):
        unpacked(tmp_path / "lock.txt")


@pytest.mark.parametrize("name", ["cpu", "cuda", "prepare"])
def test_every_package_of_a_shipped_lock_has_its_hash(name: str) -> None:
    lines = (assets.sandbox_image() / f"requirements-{name}.txt").read_text().splitlines()
    pins = [index for index, line in enumerate(lines) if "==" in line]
    assert pins
    assert [lines[i] for i in pins if not lines[i + 1].strip().startswith("--hash=sha256:")] == []
