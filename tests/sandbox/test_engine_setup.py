"""Which engine is chosen, and what is said where there is none."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_engine import VERSION, answering

from fumehood.errors import EngineError
from fumehood.sandbox import engine

pytestmark = pytest.mark.unit


@pytest.fixture
def fake_engine(tmp_path: Path) -> Iterator[str]:
    """Address of an engine on a socket of its own."""
    with answering(tmp_path / "engine.sock", version={**VERSION, "Version": "99.0"}) as url:
        yield url


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No engine is named, and Docker's configuration folder is empty."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    (tmp_path / "docker").mkdir()


def define_context(folder: Path, name: str, host: str) -> None:
    """Write a Docker context as ``docker context create`` does."""
    import hashlib

    meta = folder / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    meta.mkdir(parents=True)
    endpoint = {"docker": {"Host": host, "SkipTLSVerify": False}}
    (meta / "meta.json").write_text(json.dumps({"Name": name, "Metadata": {}, "Endpoints": endpoint}))


def test_docker_host_names_the_engine(monkeypatch: pytest.MonkeyPatch, fake_engine: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", fake_engine)
    client = engine.connect()
    assert engine.describe(client) == "Docker Engine 99.0 (API 1.44)"
    client.close()


def test_a_named_engine_that_is_not_there_is_not_replaced_by_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/absent.sock")
    with pytest.raises(EngineError, match=r"DOCKER_HOST .*absent\.sock\): no such socket") as caught:
        engine.connect()
    assert caught.value.exit_code == 6
    for way_out in ("rootless Docker", "Podman", "administrator"):
        assert way_out in caught.value.hint


def test_an_engine_that_never_answers_is_given_up_soon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "silent.sock"))
        silent.listen()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/silent.sock")
        with pytest.raises(EngineError, match="no container engine answers"):
            engine.connect(probe_s=0.3)


def test_the_current_context_of_dockers_configuration_is_followed(tmp_path: Path, fake_engine: str) -> None:
    define_context(tmp_path / "docker", "lab", fake_engine)
    (tmp_path / "docker" / "config.json").write_text(json.dumps({"currentContext": "lab"}))
    client = engine.connect()
    assert client.version()["Version"] == "99.0"
    client.close()


def test_docker_context_wins_over_the_current_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fake_engine: str
) -> None:
    define_context(tmp_path / "docker", "lab", fake_engine)
    define_context(tmp_path / "docker", "old", "unix:///nowhere/old.sock")
    (tmp_path / "docker" / "config.json").write_text(json.dumps({"currentContext": "old"}))
    monkeypatch.setenv("DOCKER_CONTEXT", "lab")
    client = engine.connect()
    assert client.version()["Version"] == "99.0"
    client.close()


def test_a_context_that_is_not_defined_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONTEXT", "nowhere")
    with pytest.raises(EngineError, match="'nowhere' is selected but not defined"):
        engine.connect()


def test_a_configuration_that_is_not_json_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "docker" / "config.json").write_text("{currentContext")
    with pytest.raises(EngineError, match="cannot be read"):
        engine.connect()


def test_set_up_leaves_a_named_engine_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/absent.sock")
    said: list[str] = []
    with pytest.raises(EngineError):
        engine.set_up_engine(said.append)
    assert said == []


def test_set_up_uses_the_engine_that_answers(monkeypatch: pytest.MonkeyPatch, fake_engine: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", fake_engine)
    said: list[str] = []
    client = engine.set_up_engine(said.append)
    assert client.version()["Version"] == "99.0"
    assert said == []
    client.close()


def test_make_engine_ends_with_the_engine_errors_code_and_an_empty_stdout(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "DOCKER_HOST": f"unix://{tmp_path}/absent.sock",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    done = subprocess.run(
        [sys.executable, "-m", "fumehood.sandbox.engine"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 6
    assert done.stdout == ""
    assert "absent.sock" in done.stderr
    assert "Traceback" not in done.stderr
