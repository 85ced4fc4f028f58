"""Where things lie in a run directory, and the lock that keeps a second process out of it.

Everything that a later step relies on is flushed to disk by ``sync`` before the journal mentions it.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from fumehood.errors import UsageError


@dataclass(frozen=True)
class RunDirectory:
    path: Path

    @classmethod
    def create(cls, path: Path) -> "RunDirectory":
        """Make the directory, which must be absent or empty. Raises UsageError where it cannot be used."""
        try:
            if path.exists() and (not path.is_dir() or any(path.iterdir())):
                raise UsageError(
                    f"{path} exists already and is not an empty directory",
                    f"give another --workdir; to go on with a run: fumehood resume {path}",
                )
            path.mkdir(parents=True, exist_ok=True)
            run = cls(path.resolve())
            for folder in (run.iterations, run.logs, run.reports, run.experiments):
                folder.mkdir()
            run.sealed.mkdir(mode=0o700)
        except OSError as error:
            raise UsageError(
                f"the run directory {path} cannot be written: {error.strerror}", "give another one with --workdir"
            ) from error
        return run

    @classmethod
    def open(cls, path: Path) -> "RunDirectory":
        """An existing run's directory. Raises UsageError if it holds none."""
        run = cls(path.resolve())
        if not run.journal.is_file():
            raise UsageError(f"{path} is not a run directory: it has no journal.jsonl", "give the directory of a run")
        return run

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory. Raises UsageError if another process does."""
        lock = FileLock(self.path / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise UsageError(
                f"another process is working in {self.path}", "wait for it, or end it; then: fumehood resume"
            ) from error
        except OSError as error:
            raise UsageError(f"{self.path} cannot be written: {error.strerror}", "it must be writable") from error
        try:
            yield
        finally:
            lock.release()

    # -- places --

    @property
    def journal(self) -> Path:
        return self.path / "journal.jsonl"

    @property
    def sealed(self) -> Path:
        """Labels, inputs and the key of the row orders; mode 0700."""
        return self.path / "sealed"

    @property
    def iterations(self) -> Path:
        return self.path / "iterations"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def log(self) -> Path:
        return self.logs / "orchestrator.log"

    @property
    def reports(self) -> Path:
        return self.path / "reports"

    @property
    def experiments(self) -> Path:
        return self.path / "experiments"

    @property
    def winner_source(self) -> Path:
        return self.path / "src" / "models" / "model.py"

    @property
    def winner_weights(self) -> Path:
        return self.path / "weights"

    def iteration(self, number: int) -> Path:
        return self.iterations / f"{number:03d}"

    def again(self, number: int) -> Path:
        """Where an iteration that is a finalist leaves what it brings on fresh seeds."""
        return self.iteration(number) / "fresh"

    def final(self) -> Path:
        """Predictions on the sealed test inputs."""
        return self.sealed / "final"

    def baselines(self) -> Path:
        """Predictions of scikit-learn's baselines, a folder for each."""
        return self.sealed / "baselines"

    def insights(self) -> Path:
        """What the run found out, for a memory to import."""
        return self.path / "memori"

    # -- changes --

    def fresh(self, folder: Path) -> Path:
        """``folder``, empty: what an interrupted attempt left in it is removed."""
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        return folder

    def drop_weights(self, number: int) -> None:
        """Forget the weights of an iteration that is not the incumbent (any more)."""
        shutil.rmtree(self.iteration(number) / "weights", ignore_errors=True)

    def drop_fresh_weights(self, number: int) -> None:
        """Forget those of a finalist that lost."""
        shutil.rmtree(self.again(number) / "weights", ignore_errors=True)

    def keep_winner(self, number: int) -> None:
        """Copy the winner's source and the weights of its fresh seeds to the places where a user looks for them."""
        self.fresh(self.winner_source.parent)
        shutil.copyfile(self.iteration(number) / "model.py", self.winner_source)
        shutil.copytree(self.again(number) / "weights", self.fresh(self.winner_weights), dirs_exist_ok=True)
        sync(self.winner_source.parent)
        sync(self.winner_weights)

    def keep_results_only(self) -> None:
        """What ``--no-keep`` leaves: reports, experiments, journal, and the winner with what predicting needs."""
        for folder in (self.iterations, self.sealed):
            shutil.rmtree(folder, ignore_errors=True)


def sync(folder: Path) -> None:
    """Flush every file below ``folder`` and every folder to disk."""
    for base, _, names in os.walk(folder):
        for path in [*(Path(base) / name for name in names), Path(base)]:
            _flush(path)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, content: str) -> None:
    """Whole or not at all, and on disk when it returns."""
    draft = path.with_name(path.name + ".part")
    with draft.open("w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    _flush(path.parent)
