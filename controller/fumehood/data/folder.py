"""A folder of images as one tar stream: listed on the host, decoded nowhere but in a room.

    PATH/CLASS/...                                         classes by folder; the loader splits them
    PATH/train/CLASS/...  and PATH/val/..., PATH/test/...  official splits; validation and valid are val too
    PATH/...                                               images without classes, to predict

Names that begin with a dot are passed over, and so are files without the name of an image, which are counted. A link
that leads out of the folder is refused, and so is a link to a folder anywhere. The stream depends on names and
contents alone, so its digest stands for the folder.
"""

import os
import stat
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fumehood.data.files import expect_to_fit, shown
from fumehood.errors import DataError
from fumehood.text import plain
from fumehood.whole_file import whole_file
from fumehood_shared.messages import ImagePart

SUFFIXES: Final = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
MOST_IMAGES: Final = 200_000
_PARTS: Final = {
    "train": ImagePart.TRAIN,
    "val": ImagePart.VALIDATION,
    "valid": ImagePart.VALIDATION,
    "validation": ImagePart.VALIDATION,
    "test": ImagePart.TEST,
}
_END: Final = bytes(2 * tarfile.BLOCKSIZE)


@dataclass(frozen=True)
class Member:
    name: str
    """PART/CLASS/NAME, as the room sees it."""
    path: Path
    size: int


@dataclass(frozen=True)
class PackedFolder:
    """What the stream will hold; it is read from the files when it is sent."""

    root: Path
    members: tuple[Member, ...]
    ignored: int
    """Files without the name of an image."""

    @property
    def size(self) -> int:
        """Bytes of the stream."""
        return sum(len(_header(m)) + m.size + -m.size % tarfile.BLOCKSIZE for m in self.members) + len(_END)

    @contextmanager
    def opened(self) -> Iterator[tuple[int, Iterable[bytes]]]:
        """The stream's size, and the stream. Raises DataError for a file that changed since it was listed."""
        yield self.size, self._stream()

    def _stream(self) -> Iterator[bytes]:
        for member in self.members:
            with whole_file(member.path) as (size, pieces):
                if size != member.size:
                    raise DataError(f"{shown(member.path)} changed while it was read.", "Try again when it is at rest.")
                yield _header(member)
                yield from pieces
                yield bytes(-size % tarfile.BLOCKSIZE)
        yield _END


def pack(root: Path, max_bytes: int | None, *, classes_needed: bool = True) -> PackedFolder:
    """List the images below ``root``. ``max_bytes``: largest stream; None is no limit.

    :raises DataError: for a folder that cannot be used, naming the folder, file or link.
    """
    root = _folder(root)
    walk = _Walk(root)
    members = tuple(_by_class(root, walk) if classes_needed else _without_classes(root, walk))
    if not members:
        raise DataError(f"The folder {shown(root)} holds no images{_passed(walk)}.", _FORM)
    packed = PackedFolder(root, members, walk.ignored)
    expect_to_fit(f"The images in {shown(root)} are", packed.size, max_bytes, "Use fewer or smaller images")
    return packed


# ---- what lies there -----------------------------------------------------------------------------------------------


class _Walk:
    """Goes through folders in the order of their names, and counts."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ignored = 0
        self.found = 0

    def folders(self, folder: Path) -> list[Path]:
        return [Path(entry.path) for entry in self._entries(folder) if self._is_folder(entry)]

    def images(self, folder: Path) -> Iterator[tuple[Path, int]]:
        """Path and size of every image below ``folder``, at any depth."""
        for entry in self._entries(folder):
            if self._is_folder(entry):
                yield from self.images(Path(entry.path))
                continue
            status = self._status(entry)
            if not stat.S_ISREG(status.st_mode) or Path(entry.name).suffix.lower() not in SUFFIXES:
                self.ignored += 1
                continue
            self.found += 1
            if self.found > MOST_IMAGES:
                raise DataError(
                    f"The folder {shown(self.root)} holds more than {MOST_IMAGES} images.", "Use a part of them."
                )
            yield Path(entry.path), status.st_size

    def passed_over(self, folder: Path) -> None:
        """Count the files that lie in ``folder`` itself, where no image is looked for."""
        self.ignored += sum(not self._is_folder(entry) for entry in self._entries(folder))

    def _entries(self, folder: Path) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                return sorted((e for e in entries if not e.name.startswith(".")), key=lambda e: os.fsencode(e.name))
        except OSError as error:
            raise DataError(f"The folder {shown(folder)} cannot be read: {error.strerror}.", "Check it.") from error

    def _is_folder(self, entry: os.DirEntry[str]) -> bool:
        if entry.is_symlink():
            self._expect_inside(entry)
            return False
        return entry.is_dir()

    def _expect_inside(self, entry: os.DirEntry[str]) -> None:
        try:
            target = Path(entry.path).resolve(strict=True)
        except (OSError, RuntimeError) as error:
            raise DataError(f"The link {shown(Path(entry.path))} leads nowhere.", "Remove it.") from error
        if not target.is_relative_to(self.root):
            raise DataError(
                f"The link {shown(Path(entry.path))} leads out of the folder of images, to {shown(target)}.",
                "Copy what it leads to into the folder, or remove the link.",
            )
        if target.is_dir():
            raise DataError(
                f"{shown(Path(entry.path))} is a link to a folder.", "Use the folder itself, and remove the link."
            )

    def _status(self, entry: os.DirEntry[str]) -> os.stat_result:
        try:
            return entry.stat()
        except OSError as error:
            raise DataError(f"{shown(Path(entry.path))} cannot be read: {error.strerror}.", "Check it.") from error


def _by_class(root: Path, walk: _Walk) -> Iterator[Member]:
    walk.passed_over(root)
    folders = walk.folders(root)
    if not folders:
        raise DataError(f"The folder {shown(root)} holds no folders, so its images have no classes.", _FORM)
    if not _are_parts(folders, walk):
        yield from _classes(ImagePart.ALL, folders, walk)
        return
    seen: set[ImagePart] = set()
    for folder in folders:
        part = _PARTS[folder.name]
        if part in seen:
            raise DataError(f"{shown(root)} has two folders of {part} images.", "Keep one of them.")
        seen.add(part)
        walk.passed_over(folder)
        yield from _classes(part, walk.folders(folder), walk)


def _are_parts(folders: list[Path], walk: _Walk) -> bool:
    """Whether the folders are splits. A class may be called train, beside plane and car, or hold no folders itself."""
    names = {folder.name for folder in folders}
    return "train" in names and names <= _PARTS.keys() and all(walk.folders(folder) for folder in folders)


def _classes(part: ImagePart, folders: list[Path], walk: _Walk) -> Iterator[Member]:
    for folder in folders:
        name, before, passed = _readable(folder), walk.found, walk.ignored
        for path, size in walk.images(folder):
            yield Member(f"{part}/{name}/{_text(path.relative_to(folder))}", path, size)
        if walk.found == before:
            other = f", only {walk.ignored - passed} other files" if walk.ignored > passed else ""
            raise DataError(
                f"The folder of the class {plain(name, 60)!r} holds no images{other}: {shown(folder)}.",
                f"Put images there ({', '.join(sorted(SUFFIXES))}), or remove the folder.",
            )


def _without_classes(root: Path, walk: _Walk) -> Iterator[Member]:
    for path, size in walk.images(root):
        yield Member(f"{ImagePart.ALL}/-/{_text(path.relative_to(root))}", path, size)


def _readable(folder: Path) -> str:
    """The name of a class."""
    try:
        folder.name.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"The name of the folder {shown(folder)} is not UTF-8.", "Rename it.") from error
    return folder.name


def _text(path: Path) -> str:
    """A name for messages: what is not UTF-8 becomes question marks."""
    return str(path).encode("utf-8", "replace").decode()


def _header(member: Member) -> bytes:
    info = tarfile.TarInfo(member.name)
    info.size, info.mode = member.size, 0o444
    return info.tobuf(tarfile.GNU_FORMAT)


def _folder(path: Path) -> Path:
    try:
        resolved = path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:  # ValueError: a null byte
        raise DataError(f"There is no folder {shown(path)}.", _FORM) from error
    if not resolved.is_dir():
        raise DataError(f"{shown(path)} is not a folder.", _FORM)
    return resolved


def _passed(walk: _Walk) -> str:
    return f", only {walk.ignored} other files" if walk.ignored else ""


_FORM: Final = (
    "Write imagefolder:PATH, where PATH holds a folder of images for each class, or train/, val/ and test/ with such."
)
