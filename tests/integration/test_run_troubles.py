"""What goes wrong around a run: two at once, no place, no right to write, no engine, another image. Told in words."""

import os
import shutil
import socket
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

import docker
import pytest

from chaos.disks import full_run_directory, small_disk
from chaos.runs import bodies, journal, kinds
from fumehood import assets
from integration.lab import SOURCES, command, fumehood_cli, owned, started, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ASKED = ("--goal", "Classify iris as well as possible", "--data", "iris", "--max-iterations", "1", "--num-seeds", "1")


def test_a_second_process_on_a_run_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with started("run", *ASKED, "--workdir", str(folder)) as first:
        assert wait_until(lambda: "data_prepared" in kinds(folder), 60.0)
        second = fumehood_cli("resume", str(folder))
        third = fumehood_cli("run", *ASKED, "--workdir", str(folder))
        _, said = first.communicate(timeout=120)
    assert second.returncode == 2
    assert "another process is working" in second.stderr
    assert third.returncode == 2
    assert "not an empty directory" in third.stderr
    assert first.returncode == 0, said
    assert "resumed" not in [entry["kind"] for entry in journal(folder)]


def test_a_folder_with_something_in_it_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    done = fumehood_cli("run", *ASKED, "--workdir", str(tmp_path))
    assert done.returncode == 2
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_metric_that_the_test_rows_do_not_define_ends_a_run_before_a_candidate_is_tried(tmp_path: Path) -> None:
    """They are the newest rows, and all of one class; to go on with the run changes nothing."""
    rows = [f"{i * i % 17},{i},{'yes' if i % 3 or i >= 80 else 'no'}" for i in range(100)]
    (tmp_path / "table.csv").write_text("\n".join(["a,day,y", *rows]))
    folder, data = tmp_path / "run", f"csv:{tmp_path / 'table.csv'}#target=y&time=day"
    asked = ("--goal", "Tell yes from no by ROC-AUC", "--data", data, "--max-iterations", "1", "--num-seeds", "1")
    for arguments in (("run", *asked, "--workdir", str(folder)), ("resume", str(folder))):
        done = fumehood_cli(*arguments)
        assert done.returncode == 2, done.stderr
        assert "roc_auc is not defined on the test rows: no example of class 'no'" in done.stderr
        assert "Traceback" not in done.stderr
    assert {"proposed", "seal_opened"}.isdisjoint(kinds(folder))
    assert "data_prepared" in kinds(folder)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")


@needs_root
def test_a_place_that_may_not_be_written_is_a_usage_error(tmp_path: Path) -> None:
    with small_disk(tmp_path / "ro", "ro,size=1m") as place:
        done = fumehood_cli("run", *ASKED, "--workdir", str(place / "run"))
    assert done.returncode == 2
    assert "cannot be written: Read-only file system" in done.stderr


@needs_root
@pytest.mark.parametrize("size", ["80k", "160k"], ids=["in the search", "in the reports"])
def test_a_full_disk_stops_a_run_that_is_completed_when_there_is_room(
    tmp_path: Path, api: docker.APIClient, size: str
) -> None:
    with small_disk(tmp_path / "small", f"size={size}") as place:
        assert full_run_directory(api, place, ASKED) == []


def test_an_image_of_another_version_is_refused(tmp_path: Path) -> None:
    """A program whose runner has one more line than the one that the image was made from."""
    for source in (*map(Path, SOURCES), assets.sandbox_image(), assets.policies()):
        shutil.copytree(source, tmp_path / source.name, dirs_exist_ok=True)
    changed = tmp_path / "sandbox_image" / "fumehood_runner" / "supervise.py"
    changed.write_text(changed.read_text() + "# one more line\n")
    if not (tmp_path / "controller" / "fumehood").is_dir():
        pytest.skip("the program under test is an installed wheel and has no source tree to change")
    program = os.pathsep.join(str(tmp_path / name) for name in ("controller", "shared"))
    done = subprocess.run(
        ["env", f"PYTHONPATH={program}", *command("run", *ASKED, "--workdir", str(tmp_path / "run"))],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 6, done.stderr
    assert "is of another version" in done.stderr
    assert "fumehood image build" in done.stderr


class Relay:
    """A socket that passes everything on to the engine's until it is cut."""

    def __init__(self, path: Path, engine: str) -> None:
        self._path, self._engine, self._open, self._lock = path, engine, [], threading.Lock()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._engine)
                with self._lock:
                    self._open += [near, far]
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._pass, args=pair, daemon=True).start()

    @staticmethod
    def _pass(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while chunk := source.recv(65_536):
                target.sendall(chunk)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        self._path.unlink(missing_ok=True)
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for end in self._open:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)


def test_an_engine_that_vanishes_stops_the_run_and_resume_completes_it(tmp_path: Path, api: docker.APIClient) -> None:
    real = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not real.startswith("unix://"):
        pytest.skip("the engine is not on a local socket")
    folder = tmp_path / "run"
    relay = Relay(tmp_path / "engine.sock", real.removeprefix("unix://"))
    with started("run", *ASKED, "--workdir", str(folder), DOCKER_HOST=f"unix://{tmp_path / 'engine.sock'}") as process:
        assert wait_until(lambda: "proposed" in kinds(folder), 60.0)
        label = f"fumehood.run={journal(folder)[0]['body']['run_id']}"
        wait_until(lambda: len(owned(api, label)) >= 4, 20.0)
        relay.cut()
        _, said = process.communicate(timeout=90)
    assert process.returncode == 6, said
    assert "container engine failed" in said or "the engine went away" in said, said
    assert "Traceback" not in said
    done = fumehood_cli("resume", str(folder))
    assert done.returncode == 0, done.stderr
    assert owned(api, label) == []
    assert kinds(folder)[-1] == "finished"
    assert len(bodies(folder, "evaluated")) == 1
