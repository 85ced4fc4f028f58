"""A path that a user wrote becomes one that can be sent into a room, or a ``DataError``; nothing is parsed here."""

import os
import stat
from difflib import get_close_matches
from pathlib import Path

from fumehood.errors import DataError
from fumehood.text import plain

_SIZE_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def usable(path_text: str, max_bytes: int | None, form: str) -> Path:
    """The absolute path of a readable regular file of 1 to ``max_bytes`` bytes. ``form``: what to write instead."""
    if not path_text:
        raise DataError("The data specification names no file.", f"Write {form}.")
    path = absolute(path_text)
    size = _size_of_regular_file(path, form)
    if size == 0:
        raise DataError(f"The file {shown(path)} is empty.", "At least ten rows are needed.")
    expect_to_fit(f"The file {shown(path)} is", size, max_bytes, "Use fewer rows or columns")
    return path


def expect_to_fit(what: str, size: int, max_bytes: int | None, instead: str) -> None:
    """Refuse ``what``, a subject and its verb, of more than ``max_bytes`` bytes; None is no limit."""
    if max_bytes is not None and size > max_bytes:
        raise DataError(
            f"{what} {size_text(size)}, and at most {size_text(max_bytes)} are taken.",
            f"{instead}, or a policy with a larger raw_data and prepare room (fumehood policy show standard).",
        )


def absolute(path_text: str) -> Path:
    """Symbolic links are kept: where one leads is decided when the file is opened."""
    try:
        return Path(os.path.abspath(Path(path_text).expanduser()))  # noqa: PTH100 - resolve() would follow symlinks
    except RuntimeError as error:  # ~user, where there is no such user
        raise DataError(f"The path {plain(path_text, 200)} has no home directory.", "Write it out.") from error


def shown(path: Path) -> str:
    """For messages."""
    return plain(str(path), 200)


def size_text(nbytes: int) -> str:
    """For example 2.9 MiB."""
    amount, unit = float(nbytes), 0
    while amount >= 1024 and unit < len(_SIZE_UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{nbytes} bytes" if unit == 0 else f"{amount:.1f} {_SIZE_UNITS[unit]}"


def _size_of_regular_file(path: Path, form: str) -> int:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise DataError(f"{shown(path)} is a directory.", f"Name one file: {form}.")
        if not stat.S_ISREG(status.st_mode):
            raise DataError(f"{shown(path)} is not a regular file.", "Copy what it yields to a file first.")
        with path.open("rb"):
            return status.st_size
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(f"There is no file {shown(path)}.", _nearby(path)) from error
    except PermissionError as error:
        raise DataError(f"The file {shown(path)} may not be read by you.", "Change its mode, or copy it.") from error
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise DataError(f"The file {shown(path)} cannot be read: {plain(str(error), 200)}.", "Check it.") from error


def _nearby(path: Path) -> str:
    """A hint with the files beside it that are called something like it."""
    try:
        beside = [entry.name for entry in path.parent.iterdir() if entry.is_file()]
    except OSError:
        return f"There is no directory {shown(path.parent)} to look in, or it may not be read."
    close = get_close_matches(path.name, beside, n=3, cutoff=0.5)
    return f"Beside it there are: {', '.join(plain(n, 60) for n in close)}." if close else "Check the path."
