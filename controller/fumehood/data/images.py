"""Specifications of images: the scheme of a folder, and public sets, which are called by their names.

imagefolder:PATH#size=32      a folder of images, all brought to 32 x 32
cifar10                       a public set whose files were fetched
emnist#split=letters          another set of EMNIST's archive than the balanced one
"""

from typing import Final

from fumehood.data import files, folder, published, store
from fumehood.data.scheme import Asked, Files, Scheme, read_options
from fumehood.errors import DataError
from fumehood.text import plain
from fumehood_shared import paths
from fumehood_shared.messages import ImageFolderSource, ImageFormat, ImageSetSource, Source

_FOLDER_FORM = "imagefolder:PATH"
_LARGEST_SIDE: Final = 4096


def public_set(text: str) -> published.ImageSet | None:
    """The public set that a specification names, with or without options; None where it names none."""
    return published.find(text.strip().partition("#")[0])


def parse_public(wanted: published.ImageSet, text: str, max_bytes: int | None) -> tuple[Source, Files]:
    """What the room is told of a public set, and its verified files. Raises DataError where they are not there."""
    source = _set_source(wanted, text.strip().partition("#")[2])
    ready = store.ready_files(wanted)
    size = sum(path.stat().st_size for _, path in ready)
    files.expect_to_fit(f"The files of {wanted.name} are", size, max_bytes, "Use another set")
    return source, ready


def _set_source(wanted: published.ImageSet, fragment: str) -> ImageSetSource:
    options = read_options(fragment, ("split",) if wanted.format is ImageFormat.EMNIST else ())
    if wanted.format is not ImageFormat.EMNIST:
        return ImageSetSource(format=wanted.format, classes=wanted.classes)
    part = options.get("split", "balanced")
    if part not in published.EMNIST_CLASSES:
        known = ", ".join(published.EMNIST_CLASSES)
        raise DataError(f"EMNIST has no set '{plain(part, 60)}'.", f"There are: {known}.")
    return ImageSetSource(format=wanted.format, part=part, classes=tuple(published.EMNIST_CLASSES[part]))


def _folder(asked: Asked) -> tuple[Source, Files]:
    if not asked.path:
        raise DataError("The data specification names no folder.", f"Write {_FOLDER_FORM}.")
    size = _size(asked.options["size"]) if "size" in asked.options else None
    packed = folder.pack(files.absolute(asked.path), asked.max_bytes, classes_needed=not asked.new_rows)
    return ImageFolderSource(size=size, ignored=packed.ignored), ((paths.IMAGES, packed),)


def _size(said: str) -> int:
    number = int(said) if said.isascii() and said.isdigit() and len(said) < 10 else 0
    if not 2 <= number <= _LARGEST_SIDE:
        raise DataError(
            f"The size '{plain(said, 60)}' is no number of pixels from 2 to {_LARGEST_SIDE}.", "Write #size=32."
        )
    return number


SCHEMES: Final = (Scheme("imagefolder", _FOLDER_FORM, "a folder of images, one folder a class", ("size",), _folder),)
