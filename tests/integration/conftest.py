"""One engine, one private state folder, one prepared data set for all tests on real rooms."""

import os
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from fumehood import policy
from fumehood.sandbox import engine
from fumehood.sandbox.host import Host, open_host
from fumehood_shared.messages import BuiltinSource
from integration.lab import SOURCES, Lab, owned, prepared, tightened


@pytest.fixture(scope="session", autouse=True)
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state folder of the tests' own: the user's ledger of seal openings is none of their business."""
    folder = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder))
        patch.setenv("XDG_DATA_HOME", str(folder))
        patch.setenv("PYTHONPATH", os.pathsep.join(SOURCES))
        patch.setenv("FUMEHOOD_TEST_CANARY", "a secret of the controller's environment")
        yield folder


@pytest.fixture(scope="session")
def api() -> Iterator[docker.APIClient]:
    client = engine.connect()
    yield client.api
    client.close()


@pytest.fixture(scope="session")
def host(state: Path) -> Iterator[Host]:
    with open_host(tightened(policy.load("standard")), run_id="integration-tests") as opened:
        label = f"fumehood.owner={opened.owner.id}"
        yield opened
        assert owned(opened.api, label) == []


@pytest.fixture(scope="session")
def lab(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Iris."""
    with prepared(host, BuiltinSource(name="iris"), {}, tmp_path_factory.mktemp("iris")) as made:
        yield made
