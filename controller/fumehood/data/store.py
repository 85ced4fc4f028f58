"""Files of public data sets on this machine: FUMEHOOD_DATA_DIR, else the user's own data folder; a folder a set.

A file is used only if its checksum is the catalogue's. That is remembered by size, times and inode in a file beside
it, so that half a gigabyte is not read again at every command; where that cannot be written, it is read again.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from platformdirs import user_data_path

from fumehood.data.published import ImageSet, PublishedFile
from fumehood.errors import DataError
from fumehood.text import plain

_VERIFIED = ".verified.json"


class FileState(StrEnum):
    READY = "ready"
    MISSING = "missing"
    WRONG = "wrong checksum"
    UNREADABLE = "unreadable"


def folder(of: ImageSet) -> Path:
    """Where the files of a set lie, or belong."""
    given = os.environ.get("FUMEHOOD_DATA_DIR")
    root = Path(given).expanduser().absolute() if given else user_data_path("fumehood") / "datasets"
    return root / of.name


def states(of: ImageSet) -> dict[str, FileState]:
    """Of each file by name, whether it can be used. Reads those that were not verified before."""
    return {file.name: _state(folder(of) / file.name, file) for file in of.files}


def ready_files(of: ImageSet) -> tuple[tuple[str, Path], ...]:
    """Name and path of every file, verified.

    :raises DataError: where one is missing or not what the catalogue says, with what to put where.
    """
    found = states(of)
    bad = [file for file in of.files if found[file.name] is not FileState.READY]
    if not bad:
        return tuple((file.name, folder(of) / file.name) for file in of.files)
    if all(state is FileState.MISSING for state in found.values()):
        what = f"The data set {of.name} has not been fetched."
    else:
        troubles = ", ".join(f"{file.name} ({found[file.name]})" for file in bad)
        what = f"The data set {of.name} is not complete in {plain(str(folder(of)), 200)}: {troubles}."
    raise DataError(what, f"Run: fumehood data fetch {of.name}. Or, without a network: {_by_hand(of, bad)}")


def by_hand(of: ImageSet) -> str:
    """What to put where, for the files that are not ready."""
    found = states(of)
    return _by_hand(of, [file for file in of.files if found[file.name] is not FileState.READY])


def _by_hand(of: ImageSet, files: list[PublishedFile]) -> str:
    listed = ", ".join(f"{file.name} ({file.algorithm} {file.checksum})" for file in files)
    return f"put into {plain(str(folder(of)), 200)} from {of.mirrors[0]}: {listed}."


def _state(path: Path, file: PublishedFile) -> FileState:
    try:
        key = _key(path)
        if _remembered(path).get(file.name) == [*key, file.checksum]:
            return FileState.READY
        with path.open("rb") as content:
            found = hashlib.file_digest(content, file.algorithm).hexdigest()
        if found != file.checksum:
            return FileState.WRONG
        if _key(path) == key:
            _remember(path, file, key)
        return FileState.READY
    except (FileNotFoundError, NotADirectoryError):
        return FileState.MISSING
    except OSError:
        return FileState.UNREADABLE


def _key(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _remembered(path: Path) -> dict[str, list[object]]:
    try:
        content = json.loads(path.with_name(_VERIFIED).read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _remember(path: Path, file: PublishedFile, key: list[int]) -> None:
    content = {**_remembered(path), file.name: [*key, file.checksum]}
    with contextlib.suppress(OSError), _replaced(path.with_name(_VERIFIED)) as new:
        new.write_text(json.dumps(content), encoding="ascii")


@contextlib.contextmanager
def _replaced(path: Path) -> Iterator[Path]:
    new = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        yield new
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
