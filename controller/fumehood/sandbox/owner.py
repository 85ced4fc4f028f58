"""Who owns a container or a volume, written on it as labels, and whether that owner is still alive.

An owner is one controller process. It holds a lock on a file of its own as long as it lives; the kernel lets go of the
lock when the process ends, however it ends. Nothing is ever judged by name or age alone.
"""

import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

PREFIX = "fumehood."
KIND = PREFIX + "kind"
OWNER = PREFIX + "owner"
_LOCKS = "locks"
_DOOR = "locks.door"
"""Held while a lock file is made or swept away: between its creation and its lock it looks like a dead owner's."""
_INSTALL = "install-id"
_DEADLINE_DIGITS = 12
_GRACE_S = 86_400
"""Where an owner cannot be judged from here, its things are left for a day past their deadline."""


@dataclass(frozen=True)
class Place:
    """Where liveness can be judged: one boot of one machine, one PID namespace, one user."""

    boot: str
    pid_namespace: str
    uid: str

    @classmethod
    def here(cls) -> Self:
        return cls(
            boot=Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
            pid_namespace=str(Path("/proc/self/ns/pid").stat().st_ino),
            uid=str(os.getuid()),
        )


class Owner:
    """This process as an owner. A context manager: the lock is held inside, and the lock file removed at the end."""

    def __init__(self, state: Path, run_id: str) -> None:
        locks = state.resolve() / _LOCKS
        locks.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.id = secrets.token_hex(8)
        self.run_id = run_id
        self._install = _install_id(state)
        self._place = Place.here()
        self._path = locks / f"{self.id}.lock"
        self._lock = FileLock(self._path)

    def __enter__(self) -> Self:
        with FileLock(self._path.parent.with_name(_DOOR)):
            self._lock.acquire(timeout=0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()
        self._path.unlink(missing_ok=True)

    def labels(self, kind: str, lifetime_s: float) -> dict[str, str]:
        """Labels for a new container or volume that is not needed for longer than ``lifetime_s``."""
        return {
            KIND: kind,
            OWNER: self.id,
            PREFIX + "install": self._install,
            PREFIX + "run": self.run_id,
            PREFIX + "uid": self._place.uid,
            PREFIX + "boot": self._place.boot,
            PREFIX + "pidns": self._place.pid_namespace,
            PREFIX + "lock": str(self._path),
            PREFIX + "deadline": str(int(time.time() + lifetime_s)),
        }


def forget_dead(state: Path) -> None:
    """Remove the lock files of this installation's dead owners. What they made is still known as theirs."""
    locks = state.resolve() / _LOCKS
    if locks.is_dir():
        with FileLock(locks.with_name(_DOOR)):
            for path in locks.glob("*.lock"):
                _is_unlocked(path)


def is_dead(labels: Mapping[str, str], place: Place, now: float) -> bool:
    """Whether the owner written in ``labels`` is proven dead.

    Judged by its lock only where boot, PID namespace and user are ours; elsewhere only a deadline more than a day past
    counts. Labels that cannot be understood prove nothing.
    """
    theirs = Place(
        boot=labels.get(PREFIX + "boot", ""),
        pid_namespace=labels.get(PREFIX + "pidns", ""),
        uid=labels.get(PREFIX + "uid", ""),
    )
    if theirs == place and (lock := _lock_named(labels)):
        return _is_unlocked(lock)
    deadline = labels.get(PREFIX + "deadline", "")
    understood = deadline.isdecimal() and len(deadline) <= _DEADLINE_DIGITS
    return theirs.uid == place.uid and understood and now > int(deadline) + _GRACE_S


def _lock_named(labels: Mapping[str, str]) -> Path | None:
    """The lock file, if the labels name one as an owner of ours would: they also say what file is deleted.

    The same path can be another folder in another mount namespace, so the folder must know the install that they name.
    """
    path, owner = Path(labels.get(PREFIX + "lock", "")), labels.get(OWNER, "")
    fits = owner and path.is_absolute() and path.parent.name == _LOCKS and path.name == f"{owner}.lock"
    return path if fits and _is_of_install(path.parent.parent, labels) else None


def _is_of_install(state: Path, labels: Mapping[str, str]) -> bool:
    try:
        return (state / _INSTALL).read_text().strip() == labels.get(PREFIX + "install")
    except (OSError, ValueError):
        return False


def _is_unlocked(path: Path) -> bool:
    if not path.parent.is_dir():
        return False
    if not path.exists():
        return True
    try:
        with FileLock(path).acquire(timeout=0):
            path.unlink(missing_ok=True)
    except (Timeout, OSError):
        return False
    return True


def _install_id(state: Path) -> str:
    """A random name for this installation, made once."""
    path = state / _INSTALL
    if not path.exists():
        draft = path.with_name(f"{_INSTALL}.{secrets.token_hex(4)}")
        draft.write_text(secrets.token_hex(8))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
