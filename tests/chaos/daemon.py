"""An engine of our own, to be restarted and killed: a second dockerd with all of its things below one folder."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import docker
from docker.errors import DockerException

from fumehood.sandbox import engine
from integration.lab import wait_until

_OPTIONS = (
    "--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false",
)  # fmt: skip
_APART = ("unshare", "--net")
"""In network of its own: an engine without a bridge removes the one of the engine that is there."""
_START_S = 60.0
_CONTAINERD_PID = "exec/containerd/containerd.pid"


class Daemon:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._folder}/sock"

    def api(self) -> docker.APIClient:
        return docker.APIClient(base_url=self.url, version="auto", timeout=60)

    def start(self) -> None:
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_APART, "dockerd", f"--data-root={self._folder}/data", f"--exec-root={self._folder}/exec",
                 f"--pidfile={self._folder}/pid", f"--host={self.url}", *_OPTIONS],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True,
            )  # fmt: skip
        if not wait_until(self._answers, _START_S, 0.1):
            raise RuntimeError(f"the second dockerd does not answer: {(self._folder / 'log').read_text()[-800:]}")

    def end(self, number: signal.Signals) -> None:
        """SIGTERM: it stops its containers first. SIGKILL: it leaves them as they are."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            # A killed daemon takes its containerd along, a moment later; until then the next one would rely on it.
            wait_until(lambda: not self._containerd_runs(), _START_S)
        self._process = None

    def restart(self, number: signal.Signals) -> None:
        self.end(number)
        for name in ("pid", _CONTAINERD_PID):
            (self._folder / name).unlink(missing_ok=True)
        self.start()

    def load(self, tags: Sequence[str]) -> None:
        """Copy images from the engine that is there."""
        theirs, ours = engine.connect().api, self.api()
        for tag in tags:
            for _ in ours.load_image(theirs.get_image(tag)):
                pass

    def clear(self) -> None:
        """End what a killed daemon left, by its folder in the command line, and give its mounts back."""
        self.end(signal.SIGTERM)
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if str(self._folder).encode() in entry.read_bytes():
                    os.kill(int(entry.parent.name), signal.SIGKILL)
            except OSError:  # ended meanwhile
                continue
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for place in sorted((m for m in mounts if m.startswith(f"{self._folder}/")), reverse=True):
            subprocess.run(["umount", "-l", place], check=False)
        shutil.rmtree(self._folder)

    def _containerd_runs(self) -> bool:
        """A zombie, which nobody may care to reap, does not."""
        try:
            status = Path(f"/proc/{int((self._folder / _CONTAINERD_PID).read_text())}/status").read_text()
        except (OSError, ValueError):
            return False
        return "State:\tZ" not in status

    def _answers(self) -> bool:
        try:
            api = self.api()
        except DockerException:
            return False
        try:
            return bool(api.ping())
        finally:
            api.close()


@contextmanager
def daemon(tags: Sequence[str]) -> Iterator[Daemon]:
    """A second engine with these images. Takes root, and dockerd on PATH."""
    made = Daemon(Path(tempfile.mkdtemp(prefix="fumehood-chaos-")))
    try:
        made.start()
        made.load(tags)
        yield made
    finally:
        made.clear()
