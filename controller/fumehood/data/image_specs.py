"""Specifications of images: the name of a public set, or ``imagefolder:PATH``, with options after a '#'.

cifar10                       a public set whose files were fetched
emnist#split=letters          another set of EMNIST's archive than the balanced one
imagefolder:PATH#size=32      a folder of images, all brought to 32 x 32
"""

from difflib import get_close_matches
from pathlib import Path
from typing import Final

from fumehood.data import folder, published, store
from fumehood.data.folder import PackedFolder
from fumehood.errors import DataError
from fumehood.text import plain
from fumehood_shared import paths
from fumehood_shared.messages import ImageFolderSource, ImageFormat, ImageSetSource

FOLDER_FORM: Final = "imagefolder:PATH"
_LARGEST_SIDE: Final = 4096


def image_set(text: str) -> published.ImageSet | None:
    """The public set that a specification names, with or without options; None where it names none."""
    return published.find(text.strip().partition("#")[0])


def set_source(text: str, wanted: published.ImageSet) -> ImageSetSource:
    """What the room is told of a public set."""
    options = _options(text.strip().partition("#")[2], ("split",) if wanted.format is ImageFormat.EMNIST else ())
    if wanted.format is not ImageFormat.EMNIST:
        return ImageSetSource(format=wanted.format, classes=wanted.classes)
    part = options.get("split", "balanced")
    if part not in published.EMNIST_CLASSES:
        known = ", ".join(published.EMNIST_CLASSES)
        raise DataError(f"EMNIST has no set '{plain(part, 60)}'.", f"There are: {known}.")
    return ImageSetSource(format=wanted.format, part=part, classes=tuple(published.EMNIST_CLASSES[part]))


def set_files(wanted: published.ImageSet, max_bytes: int | None) -> tuple[tuple[str, Path], ...]:
    """Its files, verified. Raises DataError where they are not there, or larger than ``max_bytes`` together."""
    files = store.ready_files(wanted)
    size = sum(path.stat().st_size for _, path in files)
    if max_bytes is not None and size > max_bytes:
        raise DataError(
            f"The files of {wanted.name} are {size / 2**20:.0f} MiB; the policy takes {max_bytes / 2**20:.0f} MiB.",
            "Use a policy with a larger raw_data and prepare room: fumehood policy show standard.",
        )
    return files


def folder_source(
    rest: str, max_bytes: int | None, *, classes_needed: bool
) -> tuple[ImageFolderSource, tuple[tuple[str, PackedFolder], ...]]:
    """What the room is told of a folder of images, and what it is given."""
    path, marker, fragment = rest.rpartition("#")
    if not marker or "=" not in fragment:
        path, fragment = rest, ""
    options = _options(fragment, ("size",))
    if not path:
        raise DataError("The data specification names no folder.", f"Write {FOLDER_FORM}.")
    packed = folder.pack(_expanded(path), max_bytes, classes_needed=classes_needed)
    return ImageFolderSource(size=_size(options), ignored=packed.ignored), ((paths.IMAGES, packed),)


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:  # ~user, where there is no such user
        raise DataError(f"The path {plain(path, 200)} has no home directory.", "Write it out.") from error


def _options(fragment: str, known: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in fragment.split("&") if fragment else ():
        name, equals, value = part.partition("=")
        if name not in known or not equals:
            close = get_close_matches(name, known, n=1)
            meant = f" Did you mean {close[0]}?" if close else ""
            there = f"Options are: {', '.join(known)}.{meant}" if known else "It takes no options."
            raise DataError(f"Unknown data option '{plain(name, 60)}'.", there)
        if name in found:
            raise DataError(f"The data option '{name}' is given twice.", "Give it once.")
        found[name] = value
    return found


def _size(options: dict[str, str]) -> int | None:
    if "size" not in options:
        return None
    said = options["size"]
    if not (said.isascii() and said.isdigit()) or not 2 <= int(said[:6]) <= _LARGEST_SIDE:
        raise DataError(
            f"The size '{plain(said, 60)}' is no number of pixels from 2 to {_LARGEST_SIDE}.", "Write #size=32."
        )
    return int(said)
