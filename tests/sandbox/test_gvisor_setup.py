"""gVisor is added to an engine's configuration without anything else being changed, lost or restarted."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from fake_engine import INFO, answering
from hypothesis import given, settings
from hypothesis import strategies as st

from fumehood.errors import EngineError
from fumehood.sandbox import engine, gvisor
from nobody import as_nobody

RUNTIME = {"path": "/usr/bin/runsc", "runtimeArgs": ["--network=none"]}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.unit
@settings(deadline=None)
@given(
    st.dictionaries(st.text(max_size=8).filter(lambda key: key != "runtimes"), json_values),
    st.dictionaries(st.text(max_size=8).filter(lambda key: key != "runsc"), json_values),
)
def test_everything_else_in_the_configuration_stays(rest: dict[str, Any], runtimes: dict[str, Any]) -> None:
    found = gvisor.merged({**rest, "runtimes": runtimes}, RUNTIME)
    assert found.pop("runtimes") == {**runtimes, "runsc": RUNTIME}
    assert found == rest


@pytest.mark.unit
def test_an_empty_configuration_becomes_one_with_a_runtime() -> None:
    assert gvisor.merged({}, RUNTIME) == {"runtimes": {"runsc": RUNTIME}}


@pytest.mark.unit
def test_runtimes_of_another_kind_are_not_overwritten() -> None:
    with pytest.raises(EngineError, match="no table"):
        gvisor.merged({"runtimes": ["runc"]}, RUNTIME)


@pytest.mark.unit
@pytest.mark.parametrize(
    ("version", "platform"),
    [
        ("runsc version 0.0~20221219.0\nspec: 1.0.2-dev", "ptrace"),
        ("runsc version release-20240729.0\nspec: 1.1.0-rc.1", "systrap"),
        ("", "ptrace"),
    ],
)
def test_the_platform_fits_the_release_and_there_is_no_network(version: str, platform: str) -> None:
    assert gvisor.arguments(version) == ["--network=none", f"--platform={platform}"]


@pytest.mark.unit
@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (("dockerd",), "/etc/docker/daemon.json"),
        (("dockerd", "--config-file=/a.json"), "/a.json"),
        (("dockerd", "--debug", "--config-file", "/b.json"), "/b.json"),
    ],
)
def test_the_configuration_is_the_one_that_the_engine_reads(arguments: tuple[str, ...], path: str) -> None:
    assert gvisor.Daemon(1, arguments, is_ours=False).configuration == Path(path)


@pytest.mark.unit
def test_who_is_not_root_is_told_what_to_do(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    with answering(Path("/tmp", f"fumehood-test-{os.getpid()}.sock"), info=INFO | {"Runtimes": {"runc": {}}}) as url:
        Path(url.removeprefix("unix://")).chmod(0o777)
        done = as_nobody(lambda: gvisor.main([]), DOCKER_HOST=url)
    Path(url.removeprefix("unix://")).unlink()
    assert (done.code, done.out) == (6, "")
    assert "run `make gvisor` as root" in done.err


@pytest.mark.unit
def test_an_engine_that_has_it_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    with answering(tmp_path / "s", asked=asked) as url:
        monkeypatch.setenv("DOCKER_HOST", url)
        assert gvisor.main([]) == 0
    assert {request.partition("/")[0] for request in asked} == {"GET "}


# ---- a real engine of this test's own --------------------------------------------------------------------------------


@pytest.fixture
def private(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Folder of a second engine, with a configuration of its own, that no container runs on.

    It has a short path: an engine's sockets lie deep below it, and a socket's path has at most 107 bytes.
    """
    for why, absent in (
        ("only root can start an engine", os.geteuid() != 0),
        ("there is no dockerd here: the engine is elsewhere", not shutil.which("dockerd")),
    ):
        if absent:
            pytest.skip(why)
    assert shutil.which("runsc"), "runsc is not installed: `make gvisor`, as root"
    tmp_path = Path(tempfile.mkdtemp(prefix="fumehood-"))
    (tmp_path / "daemon.json").write_text('{"debug": false, "runtimes": {"other": {"path": "/usr/bin/other"}}}\n')
    (tmp_path / "daemon.json").chmod(0o640)
    options = ["--bridge=none", "--iptables=false", "--ip-forward=false", "--ip-masq=false", "--storage-driver=vfs"]
    places = {"data-root": "data", "exec-root": "exec", "pidfile": "pid", "config-file": "daemon.json"}
    options += [f"--{name}={tmp_path / place}" for name, place in places.items()]
    with (tmp_path / "log").open("wb") as log:
        # apart, because an engine without a bridge removes the one of the engine that is there
        command = ["unshare", "--net", "dockerd", *options, f"--host=unix://{tmp_path}/s"]
        daemon = subprocess.Popen(command, stdout=log, stderr=log)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/s")
    try:
        until(lambda: bool(connected()), tmp_path)
        yield tmp_path
    finally:
        daemon.terminate()
        daemon.wait(timeout=60)
        shutil.rmtree(tmp_path)


def until(holds: Any, folder: Path) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, (folder / "log").read_text()[-2000:]
        time.sleep(0.2)


def connected() -> docker.DockerClient | None:
    try:
        return engine.connect()
    except EngineError:
        return None


@pytest.mark.integration
def test_a_real_engine_takes_it_without_a_restart_and_keeps_the_rest(
    private: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, process = (private / "daemon.json").read_text(), (private / "pid").read_text()
    assert gvisor.main(["--if-ours"]) == 0
    assert "was not started by this program" in capsys.readouterr().err
    assert (private / "daemon.json").read_text() == before
    assert gvisor.main([]) == 0
    assert "read its configuration" in capsys.readouterr().err
    assert set(engine.connect().info()["Runtimes"]) >= {"runc", "runsc", "other"}
    assert (private / "pid").read_text() == process
    after = json.loads((private / "daemon.json").read_text())
    assert after["debug"] is False
    assert set(after["runtimes"]) == {"other", "runsc"}
    assert (private / "daemon.json").stat().st_mode & 0o777 == 0o640
    (backup,) = private.glob("daemon.json.before-runsc-*")
    assert backup.read_text() == before
    assert gvisor.main([]) == 0
    assert "already" in capsys.readouterr().err
    assert len(list(private.glob("daemon.json.before-runsc-*"))) == 1


@pytest.mark.integration
def test_an_engine_that_this_program_started_is_changed_without_being_asked_by_name(
    private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(private / "state"))
    engine.log_file().symlink_to(private / "log")
    assert gvisor.main(["--if-ours"]) == 0
    assert "runsc" in engine.connect().info()["Runtimes"]


@pytest.mark.integration
def test_a_configuration_that_is_broken_is_left_as_it_is(private: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for broken in ("{", "[]"):
        (private / "daemon.json").write_text(broken)
        assert gvisor.main([]) == 6
        assert "correct it by hand" in capsys.readouterr().err
        assert (private / "daemon.json").read_text() == broken
