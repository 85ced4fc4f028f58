"""The key that a journal may be signed with, so that a chain that was written anew from end to end is noticed.

``FUMEHOOD_AUDIT_KEY`` names the file that holds it. The variable carries a path and not the key, because /proc and
child processes see a variable. Nothing here writes the key anywhere, and the object that holds it does not show it.
"""

import hmac
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fumehood.errors import UsageError

VARIABLE: Final = "FUMEHOOD_AUDIT_KEY"
_LEAST, _MOST = 32, 4096
_HOW = "make one: (umask 077; head -c 32 /dev/urandom > FILE); then name it: FUMEHOOD_AUDIT_KEY=FILE"


@dataclass(frozen=True)
class SigningKey:
    secret: bytes = field(repr=False)

    @property
    def name(self) -> str:
        """Tells keys apart and nothing else about them."""
        return hmac.digest(self.secret, b"fumehood: name of this key", "sha256").hex()[:16]

    def sign(self, line_hash: str) -> str:
        """HMAC-SHA-256 of a line's hash, hexadecimal."""
        return hmac.digest(self.secret, b"fumehood: line of a journal " + line_hash.encode(), "sha256").hex()

    def verifies(self, line_hash: str, signature: str) -> bool:
        return hmac.compare_digest(self.sign(line_hash).encode(), signature.encode())


def read(environment: Mapping[str, str] | None = None) -> SigningKey | None:
    """The key of the file that the variable names; None where it is unset or empty.

    Raises UsageError for a file that is not there, that others may read, or that is too small or too large for a key.
    """
    named = (os.environ if environment is None else environment).get(VARIABLE)
    return SigningKey(_content(Path(named))) if named else None


def _content(path: Path) -> bytes:
    try:
        # A FIFO in its place must not make us wait for a writer.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if why := _distrust(os.fstat(file.fileno())):
                raise _unusable(path, *why)
            secret = file.read(_MOST + 1)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise _unusable(path, f"it cannot be read: {getattr(error, 'strerror', None) or error}", _HOW) from error
    if not _LEAST <= len(secret) <= _MOST:
        raise _unusable(path, f"a key has {_LEAST} to {_MOST} bytes", _HOW)
    return secret


def _distrust(status: os.stat_result) -> tuple[str, str] | None:
    """Why a file's content is not taken for a secret, and what to do, if so."""
    if not stat.S_ISREG(status.st_mode):
        return "it is not a regular file", _HOW
    if status.st_uid not in (0, os.geteuid()):
        return f"it belongs to user {status.st_uid}, neither to root nor to you", _HOW
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        mode = stat.S_IMODE(status.st_mode)
        return f"others can reach it (mode {mode:04o})", "chmod 600 the file; make a new key if others may have read it"
    return None


def _unusable(path: Path, why: str, hint: str) -> UsageError:
    return UsageError(f"{VARIABLE} names {path}, which cannot be used: {why}", hint)
