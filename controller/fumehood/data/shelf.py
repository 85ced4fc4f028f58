"""Prepared data that are kept on this machine, by content, so that the same data need not be prepared again.

A place on the shelf is named by a digest of everything that the arrays depend on (``preparation``). Nothing that lies
there is believed: arrays are compared with their digests while they are copied, and what is not whole is removed and
prepared anew. The folder belongs to this user and nobody else may enter it, for there are test labels in it. Whatever
goes wrong with it, a run prepares its data itself.
"""

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from pydantic import ValidationError

from fumehood import cache
from fumehood.data import seal
from fumehood.errors import UsageError
from fumehood.records import Record, RoomFacts
from fumehood_shared import caps, paths
from fumehood_shared.messages import PrepareReply

SWITCH: Final = "FUMEHOOD_KEEP_PREPARED"
MOST_BYTES: Final = 4 * 1024**3
"""Of all kept data together: what was not used for longest goes first."""
_RECORD: Final = "prepared.json"
_UNFINISHED: Final = ".new-"
_UNFINISHED_S: Final = 3600.0
"""After which a place that is still being filled belongs to nobody any more."""
_CHUNK_BYTES: Final = 4 * 1024 * 1024


class Kept(Record):
    """What a prepare room brought, but for the arrays themselves."""

    reply: PrepareReply
    digests: dict[str, str]
    """SHA-256 of every array file."""
    raw_digests: dict[str, str]
    """Of every raw file, by the name under which it was sent."""
    room: RoomFacts
    at: str
    """UTC, ISO 8601."""


def folder() -> Path:
    """Where this user's lie."""
    return cache.folder() / "prepared"


def own() -> "Shelf | None":
    """This user's, unless FUMEHOOD_KEEP_PREPARED says no.

    :raises UsageError: if it says neither yes nor no.
    """
    said = os.environ.get(SWITCH, "yes").strip().lower()
    if said in ("yes", "true", "1", ""):
        return Shelf(folder())
    if said in ("no", "false", "0"):
        return None
    raise UsageError(f"{SWITCH} is neither yes nor no.", f"Set {SWITCH}=no to keep no prepared data.")


@dataclass(frozen=True)
class Shelf:
    """Kept data under ``folder``, of at most ``most_bytes``; any number of processes may use it at once."""

    folder: Path
    most_bytes: int = MOST_BYTES

    def take(self, name: str, into: Path) -> Kept | None:
        """Copy the arrays that are kept as ``name`` into the folder ``into``; None where there are none, or not whole.

        Files of ``into`` that have the arrays' names are gone if it is None.
        """
        place = self.folder / name
        if not place.is_dir() or not self._is_ours():
            return None
        copied: list[Path] = []
        try:
            kept = _read(place / _RECORD)
            for array, digest in kept.digests.items():
                file = paths.array_file(array)
                copied.append(into / file)
                if seal.write_sealed(into / file, _chunks(place / file, kept.reply.arrays[array].nbytes)) != digest:
                    raise ValueError(f"{file} is not what was kept")
            os.utime(place)
        except (OSError, ValueError):
            for path in copied:
                path.unlink(missing_ok=True)
            _remove(place)
            return None
        return kept

    def keep(self, name: str, kept: Kept, folder: Path) -> None:
        """Keep the arrays in ``folder`` as ``name``, if they find room there. Whatever goes wrong, none are kept."""
        record = kept.model_dump_json().encode()
        size = len(record) + sum(spec.nbytes for spec in kept.reply.arrays.values())
        if size > self.most_bytes or not self._is_ours():
            return
        with contextlib.suppress(OSError):
            self._make_room(size)
            with _new_place(self.folder) as place:
                for array in kept.digests:
                    _link(folder / paths.array_file(array), place / paths.array_file(array))
                seal.write_sealed(place / _RECORD, [record])
                place.rename(self.folder / name)

    def empty(self) -> tuple[int, int]:
        """Remove everything; how many data sets that were, and their bytes.

        :raises OSError: where something cannot be removed.
        """
        places = [place for place in self._places() if not place.name.startswith(_UNFINISHED)]
        size = sum(_size(place) for place in places)
        if self.folder.exists():
            shutil.rmtree(self.folder)
        return len(places), size

    def _is_ours(self) -> bool:
        """Whether nobody else can enter the folder, which is made if need be."""
        try:
            seal.create_sealed_dir(self.folder)
        except (OSError, UsageError):
            return False
        return True

    def _places(self) -> list[Path]:
        """Those that were not used for longest come first."""
        if not self.folder.is_dir():
            return []
        return sorted((place for place in self.folder.iterdir() if place.is_dir()), key=lambda p: p.stat().st_mtime)

    def _make_room(self, size: int) -> None:
        for place in self._places():
            if place.name.startswith(_UNFINISHED) and time.time() - place.stat().st_mtime > _UNFINISHED_S:
                _remove(place)
        places = self._places()
        left = self.most_bytes - size - sum(_size(place) for place in places)
        for place in places:
            if left >= 0:
                return
            left += _size(place)
            _remove(place)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def name_of(parts: Mapping[str, str]) -> str:
    """A place for whatever depends on ``parts`` alone."""
    return hashlib.sha256("\n".join(f"{key}={parts[key]}" for key in sorted(parts)).encode()).hexdigest()


def _read(path: Path) -> Kept:
    with path.open("rb") as file:
        content = file.read(2 * caps.RESULT_BYTES + 1)
    if len(content) > 2 * caps.RESULT_BYTES:
        raise ValueError("no record of ours is as long")
    try:
        kept = Kept.model_validate_json(content)
    except ValidationError as error:
        raise ValueError("the record cannot be read") from error
    if kept.digests.keys() != kept.reply.arrays.keys():
        raise ValueError("the record speaks of other arrays")
    if not all(map(seal.is_array_name, kept.digests)):
        raise ValueError("an array has an impossible name")
    return kept


def _chunks(path: Path, size: int) -> Iterator[bytes]:
    if path.is_symlink() or path.stat().st_size != size:
        raise ValueError(f"{path.name} is no file of {size} bytes")
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


@contextlib.contextmanager
def _new_place(folder: Path) -> Iterator[Path]:
    """An empty folder under a name of its own, which is gone at the end if it still has that name."""
    place = Path(mkdtemp(prefix=_UNFINISHED, dir=folder))
    try:
        yield place
    finally:
        _remove(place)


def _link(source: Path, destination: Path) -> None:
    """One file under two names takes no room and no time; where that cannot be, a copy."""
    try:
        os.link(source, destination)
    except OSError:
        shutil.copyfile(source, destination)


def _size(place: Path) -> int:
    with contextlib.suppress(OSError):
        return sum(file.stat().st_size for file in place.iterdir())
    return 0


def _remove(place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
