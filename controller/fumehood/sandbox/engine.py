"""The container engine: finding the one that answers, and setting one up on a bare Debian or Ubuntu.

An engine that was named (``DOCKER_HOST``, ``DOCKER_CONTEXT``, the current context of Docker's configuration) is the
only one tried; otherwise the usual sockets are, in order. An engine that runs is never touched. The ``docker`` program
is not used: a client without a daemon may well be the first one on PATH.
"""

import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import docker
from docker.context import ContextAPI
from docker.errors import DockerException
from docker.tls import TLSConfig
from platformdirs import user_state_path

from fumehood.errors import EngineError

Progress = Callable[[str], None]
"""Receives one line for people at a time."""

PROBE_S: Final = 5.0
"""Longest wait for a socket to answer a ping."""
REQUEST_S: Final = 60.0
"""Longest wait for any single answer of the engine's."""
START_S: Final = 60.0
"""Longest wait for a daemon that we started."""
WAYS_OUT: Final = (
    "(1) where the machine boots with cgroup v2, install rootless Docker and start it (dockerd-rootless-setuptool.sh "
    "install); Podman's socket cannot hold a room's limits, "
    "(2) use an engine on another machine (DOCKER_HOST, or a Docker context), or "
    "(3) ask the administrator for access to the Docker engine; as root on Debian or Ubuntu, `make engine` sets one up"
)


class Endpoint(NamedTuple):
    """Where an engine may listen."""

    url: str
    source: str
    """What named it, for messages."""
    tls: TLSConfig | None = None

    @property
    def is_local(self) -> bool:
        """Whether the engine shares this machine's kernel and devices, as far as its address tells."""
        return self.url.startswith("unix://")


class Reached(NamedTuple):
    """An engine that answered, and where."""

    endpoint: Endpoint
    client: docker.DockerClient


def connect(timeout_s: float = REQUEST_S, probe_s: float = PROBE_S) -> docker.DockerClient:
    """Client of the engine that answers. Raises ``EngineError`` where none does.

    ``timeout_s`` bounds each later request, ``probe_s`` the first answer of each place tried.
    """
    return reach(timeout_s, probe_s).client


def reach(timeout_s: float = REQUEST_S, probe_s: float = PROBE_S) -> Reached:
    """As ``connect``, and with the place where the engine answered."""
    named = _named(os.environ)
    endpoints = [named] if named else list(_usual(os.environ))
    failures = []
    for endpoint in endpoints:
        try:
            return Reached(endpoint, _client(endpoint, timeout_s, probe_s))
        except (DockerException, OSError) as error:
            failures.append(f"{endpoint.source} ({endpoint.url}): {_reason(error)}")
    raise EngineError(f"no container engine answers: {'; '.join(failures)}", WAYS_OUT)


def describe(client: docker.DockerClient) -> str:
    """Name and version of an engine, as it tells them: ``Docker Engine - Community 27.3.1 (API 1.47)``."""
    version = client.version()
    component = (version.get("Components") or [{}])[0].get("Name", "Engine")
    product = "Docker Engine" if component == "Engine" else component
    name = version.get("Platform", {}).get("Name") or product
    return f"{name} {version.get('Version', '?')} (API {version.get('ApiVersion', '?')})"


def set_up_engine(progress: Progress) -> docker.DockerClient:
    """Client of the engine that answers; where none does and we may, install Docker from the distribution and start it.

    Raises ``EngineError`` where none answers and this is not root on Debian or Ubuntu, or where the set-up fails.
    """
    try:
        return connect()
    except EngineError as absent:
        if not _may_set_up():
            raise
        progress(f"{absent.what}; setting one up, because this is root on Debian or Ubuntu")
    if not shutil.which("dockerd"):
        install_packages(["docker.io"], progress)
    log = log_file()
    daemon = None if _service_starts(progress) else _start_daemon(log, progress)
    client = _wait_for(daemon, log)
    progress(f"started {describe(client)}")
    return client


def install_packages(packages: list[str], progress: Progress) -> None:
    """Install packages of the distribution. Raises ``EngineError`` with the end of apt's output where that fails."""
    progress(f"installing {', '.join(packages)} with apt-get")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
        done = subprocess.run(["apt-get", *command], env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise EngineError(
                f"apt-get {' '.join(command)} failed: {(done.stderr or done.stdout).strip()[-600:]}",
                "install the packages by hand and try again",
            )


def is_debian_root() -> bool:
    """Whether this process may install packages of Debian or Ubuntu."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return False
    return bool({"debian", "ubuntu"} & {release.get("ID", ""), *release.get("ID_LIKE", "").split()})


def _may_set_up() -> bool:
    """A named engine is the user's business, and so is one that answers slowly: only where no daemon runs at all."""
    return is_debian_root() and _named(os.environ) is None and not daemons()


def daemons() -> list[int]:
    """Process ids of every ``dockerd`` on this machine, answering or not."""
    found = []
    for comm in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):  # ended in the meantime
            # One that ended and that nobody waited for has no command line.
            if comm.read_text().strip() == "dockerd" and (comm.parent / "cmdline").read_bytes():
                found.append(int(comm.parent.name))
    return found


def log_file() -> Path:
    """Where a daemon that we start writes."""
    return user_state_path("fumehood", ensure_exists=True) / "dockerd.log"


def _service_starts(progress: Progress) -> bool:
    """Whether the service manager starts the daemon: the package may have asked it to, or systemd does it now."""
    if daemons():
        return True
    if not Path("/run/systemd/system").is_dir():
        return False
    progress("starting docker.service")
    return subprocess.run(["systemctl", "start", "docker"], capture_output=True, check=False).returncode == 0


def _start_daemon(log: Path, progress: Progress) -> "subprocess.Popen[bytes]":
    """Start ``dockerd`` in a session of its own; it outlives this program."""
    progress(f"starting dockerd; its log is {log}")
    with log.open("ab") as output:
        return subprocess.Popen(
            ["dockerd"], stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd="/"
        )


def _wait_for(daemon: "subprocess.Popen[bytes] | None", log: Path) -> docker.DockerClient:
    """Client of a daemon that is starting; ``daemon`` is None where the service manager started it."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and (daemon is None or daemon.poll() is None):
        try:
            return connect()
        except EngineError:
            time.sleep(0.5)
    if daemon is None:
        raise EngineError(f"docker.service does not answer within {START_S:.0f} s", "see `journalctl -u docker`")
    state = "does not answer" if daemon.returncode is None else f"ended with {daemon.returncode}"
    raise EngineError(f"the dockerd we started {state}: {_tail(log)}", f"read {log}; {WAYS_OUT}")


def _tail(log: Path) -> str:
    return log.read_bytes()[-800:].decode(errors="replace").strip()


def _named(environment: Mapping[str, str]) -> Endpoint | None:
    """The engine that the user named, as Docker's own client reads it, or None."""
    if host := environment.get("DOCKER_HOST"):
        return Endpoint(host, "DOCKER_HOST", _environment_tls(environment))
    name = environment.get("DOCKER_CONTEXT") or _current_context(environment)
    return _from_context(name) if name and name != "default" else None


def _current_context(environment: Mapping[str, str]) -> str | None:
    """``currentContext`` of Docker's configuration file."""
    folder = Path(environment.get("DOCKER_CONFIG") or Path.home() / ".docker")
    try:
        config = json.loads((folder / "config.json").read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise EngineError(f"Docker's configuration {folder / 'config.json'} cannot be read: {error}") from error
    name = config.get("currentContext") if isinstance(config, dict) else None
    return name if isinstance(name, str) else None


def _from_context(name: str) -> Endpoint:
    context: Any = ContextAPI.get_context(name)
    if context is None or not context.Host:
        raise EngineError(
            f"the Docker context {name!r} is selected but not defined",
            "choose another (docker context use default), or set DOCKER_HOST",
        )
    return Endpoint(context.Host, f"Docker context {name!r}", context.TLSConfig)


def _environment_tls(environment: Mapping[str, str]) -> TLSConfig | None:
    """TLS as ``DOCKER_TLS_VERIFY`` and ``DOCKER_CERT_PATH`` say it."""
    if not environment.get("DOCKER_TLS_VERIFY"):
        return None
    folder = Path(environment.get("DOCKER_CERT_PATH") or Path.home() / ".docker")
    pair = (str(folder / "cert.pem"), str(folder / "key.pem"))
    return TLSConfig(client_cert=pair, ca_cert=str(folder / "ca.pem"), verify=True)


def _usual(environment: Mapping[str, str]) -> Iterator[Endpoint]:
    """Sockets tried in turn where none was named."""
    runtime = environment.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    yield Endpoint("unix:///var/run/docker.sock", "the default socket")
    yield Endpoint(f"unix://{runtime}/docker.sock", "rootless Docker")
    yield Endpoint(f"unix://{Path.home()}/.docker/run/docker.sock", "Docker Desktop")
    yield Endpoint(f"unix://{runtime}/podman/podman.sock", "rootless Podman")
    yield Endpoint("unix:///run/podman/podman.sock", "Podman")


def _client(endpoint: Endpoint, timeout_s: float, probe_s: float) -> docker.DockerClient:
    """Client of an endpoint that answered a ping in time. Raises ``DockerException`` or ``OSError`` otherwise."""
    path = endpoint.url.removeprefix("unix://")
    if path != endpoint.url and not Path(path).exists():
        raise FileNotFoundError(2, "no such socket")
    tls: Any = endpoint.tls or False
    probe = docker.DockerClient(base_url=endpoint.url, tls=tls, version="auto", timeout=probe_s)
    try:
        probe.ping()
        version = probe.api.api_version
    finally:
        probe.close()
    client = docker.DockerClient(base_url=endpoint.url, tls=tls, version=version, timeout=timeout_s)
    if path != endpoint.url:
        client.api.trust_env = False  # no proxy leads to a socket; looking for one took a fifth of every call
    return client


def _reason(error: Exception) -> str:
    """The innermost message of an error; docker-py wraps the telling one in three others."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    inner = error.__context__ or error.__cause__
    return _reason(inner) if isinstance(inner, OSError) and inner.strerror else str(error)[:200]


def main() -> int:
    """``python -m fumehood.sandbox.engine``, for ``make engine``: set up, tell which, and return the exit code."""
    try:
        print(f"engine: {describe(set_up_engine(_say))}", file=sys.stderr)
    except EngineError as error:
        print(f"error: {error.what}\nnext: {error.hint}", file=sys.stderr)
        return error.exit_code
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
