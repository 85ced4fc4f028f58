"""A state folder and a temporary folder of the tests' own, so that openings are counted from one and leftovers show."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.lab import SOURCES


@pytest.fixture(scope="session", autouse=True)
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder))
        patch.setenv("PYTHONPATH", os.pathsep.join(SOURCES))
        yield folder


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory to write candidates into."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder
