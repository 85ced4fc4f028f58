"""A candidate's source as a file of the user's: read once, judged by its looks only, never parsed or executed here.

What was read is what rooms get, byte for byte. A symbolic link is refused, because a link that somebody else put into a
repository can name any file that the user may read, whose content would then go into a room and into reports.
"""

import errno
import hashlib
import os
import stat
from pathlib import Path
from typing import IO

from fumehood import text
from fumehood.errors import UsageError
from fumehood.records import Record
from fumehood_shared import caps

_ONE_FILE = "name one UTF-8 file of Python source"


class Candidate(Record):
    path: str
    """Relative to the working directory where it lies below it, else absolute."""
    source: str

    @property
    def content(self) -> bytes:
        return self.source.encode()

    @property
    def digest(self) -> str:
        """SHA-256 of the file, hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()

    def line(self, number: int | None) -> int | None:
        """``number`` where the file has such a line: what a room says of lines is a claim."""
        return number if number is not None and 1 <= number <= self.source.count("\n") + 1 else None

    def text_of(self, line: int) -> str:
        return self.source.split("\n")[line - 1]


def read(path: Path) -> Candidate:
    """Raises UsageError for what is no regular file, a link, empty, larger than 256 KB, unreadable or not UTF-8."""
    if not text.is_unicode(str(path)):
        raise UsageError("the name of the candidate file is not valid Unicode text", "rename it")
    try:
        with _opened(path) as file:
            content = file.read(caps.SOURCE_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise _unusable(path, _why_not(error), "check the path") from error
    if not content.strip():
        raise _unusable(path, "it is empty", _ONE_FILE)
    if len(content) > caps.SOURCE_BYTES:
        limit = f"{caps.SOURCE_BYTES // caps.KIB} KB"
        raise _unusable(path, f"it is larger than {limit}", f"a candidate is one source file of at most {limit}")
    try:
        return Candidate(path=_relative(path), source=content.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise _unusable(path, f"line {line} is not UTF-8", "save it as UTF-8") from error


def _opened(path: Path) -> IO[bytes]:
    """The file itself, opened without waiting for whoever writes a FIFO."""
    descriptor = _descriptor(path)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise _unusable(path, "it is a directory" if stat.S_ISDIR(mode) else "it is not a regular file", _ONE_FILE)
    return os.fdopen(descriptor, "rb")


def _descriptor(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP and path.is_symlink():
            raise _unusable(path, "it is a symbolic link", "name the file that it points to") from error
        raise


def _why_not(error: OSError | ValueError) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _unusable(path: Path, why: str, hint: str) -> UsageError:
    return UsageError(f"the candidate file {text.plain(str(path), 200)} cannot be used: {why}", hint)


def _relative(path: Path) -> str:
    """The path without symbolic links resolved: reports name the file as the user knows it."""
    full = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links in folders
    here = Path.cwd()
    return str(full.relative_to(here) if full.is_relative_to(here) else full)
