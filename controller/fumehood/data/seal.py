"""The seal on a test set: private files for the labels, and a ledger that numbers every opening.

Runs that look at the same test rows again and again wear them out, so each opening is numbered, per user and per set
of test rows, and reports show the number. The ledger is a file of JSON lines that only ever grows: an opening is on
disk before its number is returned. A line that cannot be read stops the opening and stays where it is, with all the
others; only an unfinished last line, left by a writer killed before it had its number, is cut off.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout
from pydantic import ValidationError

from fumehood.errors import UsageError
from fumehood.records import Record
from fumehood.text import plain

KEY = "row-order.key"
"""Name of the file, in a sealed folder, with the secret that orders of rows come from."""
KEY_BYTES = 32
_LOCK_TIMEOUT_S = 30.0
_NAME_CHARS = 40
_PRIVATE_DIR = 0o700
_PRIVATE_FILE = 0o600


class Opening(Record):
    """One line of the ledger."""

    test_digest: str
    run_id: str
    number: int
    """1 for the first time this user opened a seal on these test rows."""
    at: str
    """UTC, ISO 8601."""


class Ledger:
    """The openings of one user, in the file ``path``; any number of processes may record at once."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def record_opening(self, test_digest: str, run_id: str) -> int:
        """The number of this opening. A run that asks again gets its old number, and nothing is recorded.

        :raises UsageError: if the ledger holds a line that cannot be read, or another process keeps it locked.
        """
        self._path.parent.mkdir(mode=_PRIVATE_DIR, parents=True, exist_ok=True)
        try:
            with FileLock(f"{self._path}.lock", timeout=_LOCK_TIMEOUT_S, mode=_PRIVATE_FILE):
                return self._record(test_digest, run_id)
        except Timeout as error:
            what = f"The ledger of seal openings {_shown(self._path)} was locked for {_LOCK_TIMEOUT_S:.0f} s."
            raise UsageError(what, "Another run is stopped while it holds it: end that run, then resume.") from error

    def openings(self) -> list[Opening]:
        """All of them, for a look: nothing is written, locked or mended, and an unfinished last line is left out.

        :raises UsageError: if the ledger holds a line that cannot be read.
        """
        lines = self._path.read_bytes().split(b"\n")[:-1] if self._path.is_file() else []
        return [self._opening(line, number) for number, line in enumerate(lines, start=1)]

    def _record(self, test_digest: str, run_id: str) -> int:
        with open(self._path, "a+b", opener=_private) as file:
            known = [o for o in self._openings(file) if o.test_digest == test_digest]
            for opening in known:
                if opening.run_id == run_id:
                    return opening.number
            number = max((o.number for o in known), default=0) + 1
            now = datetime.now(UTC).isoformat(timespec="seconds")
            opening = Opening(test_digest=test_digest, run_id=run_id, number=number, at=now)
            file.write(opening.model_dump_json().encode() + b"\n")
            _to_disk(file, self._path.parent)
            return number

    def _openings(self, file: BinaryIO) -> list[Opening]:
        """All lines; the file ends with a whole line afterwards."""
        file.seek(0)
        content = file.read()
        *lines, tail = content.split(b"\n")
        if tail:
            _mend(file, tail, len(content))
            lines += [tail] if _is_json(tail) else []
        return [self._opening(line, number) for number, line in enumerate(lines, start=1)]

    def _opening(self, line: bytes, number: int) -> Opening:
        try:
            return Opening.model_validate_json(line)
        except ValidationError as error:
            raise UsageError(
                f"Line {number} of the ledger of seal openings {_shown(self._path)} cannot be read, so the number of "
                "this opening is not known and the seal stays closed.",
                f"Correct or delete that line ({plain(line.decode(errors='replace'), 120)!r}); the others are intact. "
                "Then resume the run.",
            ) from error


def read_key(path: Path) -> bytes:
    """The secret key in the file ``path``, of a run that is to be repeated.

    :raises UsageError: if it cannot be read, or is no such key.
    """
    try:
        with path.open("rb") as file:
            key = file.read(KEY_BYTES + 1)
    except OSError as error:
        what = f"the key of row orders {_shown(path)} cannot be read: {error.strerror}"
        raise UsageError(what, "check the path") from error
    if len(key) != KEY_BYTES:
        what = f"{_shown(path)} is no key of row orders: those have {KEY_BYTES} bytes"
        raise UsageError(what, f"name the file sealed/{KEY} of an earlier run")
    return key


def known_key(folder: Path) -> bytes | None:
    """That of a sealed folder that has one already: given at the start, or made by a preparation that was cut off."""
    return read_key(folder / KEY) if (folder / KEY).is_file() else None


def create_sealed_dir(path: Path) -> None:
    """Make ``path`` a directory that only this user can enter, whatever the umask; it may exist, but not as a link.

    :raises UsageError: if something else is there, or the directory belongs to somebody else.
    """
    try:
        path.mkdir(mode=_PRIVATE_DIR, parents=True, exist_ok=True)
    except FileExistsError as error:
        raise UsageError(f"{_shown(path)} is in the way of the sealed directory.", "Choose another workdir.") from error
    if path.is_symlink() or path.stat().st_uid != os.geteuid():
        what = f"The sealed directory {_shown(path)} is a link, or belongs to another user."
        raise UsageError(what, "Choose another workdir.")
    path.chmod(_PRIVATE_DIR)


def is_array_name(name: str) -> bool:
    """Whether an array may be called so: its name becomes that of a file, and leads to no other folder."""
    return name.isascii() and name.isidentifier() and len(name) <= _NAME_CHARS


def write_sealed(path: Path, chunks: Iterable[bytes]) -> str:
    """Write ``chunks`` to the new file ``path`` (mode 0600) and to disk; the SHA-256 of the content, hexadecimal.

    :raises FileExistsError: if ``path`` exists, a dangling link included: a sealed file is never written twice.
    """
    digest = hashlib.sha256()
    with open(path, "xb", opener=_private) as file:
        for chunk in chunks:
            digest.update(chunk)
            file.write(chunk)
        _to_disk(file, path.parent)
    return digest.hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of the content of ``path``, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _mend(file: BinaryIO, tail: bytes, size: int) -> None:
    """End an unended last line, or cut it off where it is not whole."""
    if _is_json(tail):
        file.write(b"\n")
    else:
        file.truncate(size - len(tail))


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _to_disk(file: BinaryIO, folder: Path) -> None:
    """Content, and the file's name in its folder."""
    file.flush()
    os.fsync(file.fileno())
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, _PRIVATE_FILE)


def _shown(path: Path) -> str:
    return plain(str(path), 200)
