"""Things on the host that no room may find: a secret in several places, sockets, an open port, labels, a data file.

Programs are told digests and addresses, never what is behind them. All of it is made anew for one use, belongs to this
process, listens on loopback only, and is gone at the end. What touched it is counted here, outside every room.
"""

import hashlib
import os
import pwd
import random
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from fumehood.attacks.stage import Stage

ROWS: Final = 100
FRACTION: Final = 21 / 64
"""Every label is an integer from 65537 to 131071 and this: exact in float32, and unmistakable in bytes and in text."""
_SHORTEST_NAME: Final = 4
"""Characters of a name that is told apart from a common word."""
_PREFIX: Final = "fumehood-canary-"


@dataclass
class Bait:
    """Paths that a control may mount, and what programs are told."""

    folder: Path
    secret: str
    port: int
    abstract: str
    """Name of a socket without a path, which a network namespace bounds."""
    touched: list[str] = field(default_factory=list)
    """Key of the probe whose bait took a connection, once for each."""

    @property
    def data(self) -> str:
        """Specification of the data set whose labels are canaries."""
        return f"csv:{self.folder / 'labels.csv'}#target=y&task=regression"

    def path(self, name: str) -> Path:
        return self.folder / name

    def keep_labels(self, stage: Stage) -> None:
        """Lay out the labels of ``stage`` that rooms must not hold."""
        files = [stage.laboratory.sealed / f"{split}_targets.bin" for split in ("validation", "test")]
        self.path("hidden-labels").write_bytes(b"".join(file.read_bytes() for file in files))

    def told(self, stage: Stage) -> dict[str, Any]:
        """What probes may know: digests, addresses, and the host's kernel."""
        labels = {split: _labels(stage, split) for split in ("train", "validation", "test")}
        return {
            "kernel": str(stage.host.api.info().get("KernelVersion", "")),
            "secret": _digest(self.secret),
            "host_name": _digest(os.uname().nodename),
            "names": [_digest(name) for name in _host_names()],
            "open_files": stage.policy.train.nofile,
            "port": self.port,
            "abstract": self.abstract,
            "training_labels": labels["train"],
            "hidden_labels": labels["validation"] + labels["test"],
        }


@contextmanager
def laid(folder: Path) -> Iterator[Bait]:
    """Bait in the empty private ``folder``, and a process that holds the secret too."""
    secret = _PREFIX + secrets.token_hex(16)
    (folder / "secret").write_text(f"key = {secret}\n")
    (folder / "labels.csv").write_text(_table())
    (folder / "set-id").write_bytes(Path("/bin/true").read_bytes())
    (folder / "set-id").chmod(0o4755)
    with ExitStack() as stack:
        stack.enter_context(_process_that_holds(secret))
        abstract = f"fumehood-{secrets.token_hex(8)}"
        tcp = stack.enter_context(_listening(socket.AF_INET, ("127.0.0.1", 0)))
        port = int(tcp.getsockname()[1])
        bait = Bait(folder=folder, secret=secret, port=port, abstract=abstract)
        listeners = {
            "see/host-loopback": tcp,
            "see/abstract-sockets": stack.enter_context(_listening(socket.AF_UNIX, f"\0{abstract}")),
            "see/engine-sockets": stack.enter_context(_listening(socket.AF_UNIX, str(folder / "engine.sock"))),
        }
        (folder / "engine.sock").chmod(0o666)
        for probe, listener in listeners.items():
            threading.Thread(target=_count, args=(listener, probe, bait.touched), daemon=True).start()
        yield bait


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _table() -> str:
    draw = random.Random()  # noqa: S311 - labels need to be distinct, not secret
    labels = [n + FRACTION for n in draw.sample(range(65537, 131072), ROWS)]
    rows = [",".join([*(f"{draw.gauss(0, 1):.9f}" for _ in range(4)), str(label)]) for label in labels]
    return "\n".join(["a,b,c,d,y", *rows]) + "\n"


def _labels(stage: Stage, split: str) -> list[str]:
    """Digests of the labels of a split."""
    values = np.fromfile(stage.laboratory.sealed / f"{split}_targets.bin", dtype="<f4")
    return [_digest(str(float(value))) for value in values]


def _host_names() -> list[str]:
    """What the host and its user are called, where that is not too short to be told from other words."""
    try:
        user = pwd.getpwuid(os.getuid())
        names = {user.pw_name, Path(user.pw_dir).name}
    except KeyError:
        names = set()
    names.discard("root")
    names |= {os.uname().nodename, *os.uname().nodename.split(".")}
    return sorted(name for name in names if len(name) >= _SHORTEST_NAME and name != "localhost")


@contextmanager
def _process_that_holds(secret: str) -> Iterator[None]:
    """A process of ours with the secret in its environment and on its command line."""
    command = [sys.executable, "-c", "import sys; sys.stdin.read()", secret]
    environment = {**os.environ, "FUMEHOOD_CANARY": secret}
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment) as holder:
        try:
            yield
        finally:
            holder.communicate()


@contextmanager
def _listening(family: socket.AddressFamily, address: Any) -> Iterator[socket.socket]:
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.bind(address)
        listener.listen()
        yield listener
        listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits for a connection


def _count(listener: socket.socket, probe: str, touched: list[str]) -> None:
    try:
        while True:
            connection, _ = listener.accept()
            connection.close()
            touched.append(probe)
    except OSError:
        return  # closed: the bait is taken in
