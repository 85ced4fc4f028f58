"""Every memory of these tests lies in the test's own folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fumehood.memory.store import MemoryStore


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("MEMORI_DATABASE__CONNECTION_STRING", "FUMEHOOD_EMBEDDER_URL", "FUMEHOOD_EMBEDDER_MODEL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "memory.db"


@pytest.fixture
def store(file: Path) -> Iterator[MemoryStore]:
    with MemoryStore.open(str(file)) as found:
        yield found
