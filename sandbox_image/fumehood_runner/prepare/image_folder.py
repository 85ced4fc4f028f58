"""A folder of images, packed by the controller into one tar file: PART/CLASS/NAME.

All images are brought to one size, the most common one or the one asked for, and are grey where every one of them is,
else RGB. An image that cannot be decoded, is a single pixel, or would unpack to more than 64 million pixels is left
out and listed; more than one in a hundred of them is a refusal. Decoding is Pillow's, and here only, in a room.
"""

import struct
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TypeVar

import numpy as np
from PIL import Image, UnidentifiedImageError

from fumehood_runner.prepare import memory
from fumehood_runner.prepare.images import Images, Pixels
from fumehood_runner.prepare.placement import SPLITS, OwnSplits
from fumehood_runner.prepare.refusals import Refused, shown
from fumehood_runner.prepare.target import Target
from fumehood_shared import paths
from fumehood_shared.messages import ImageEncoding, ImageFolderSource, ImagePart, RefusalKind, Task

_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_MOST_PIXELS = 64_000_000
_BAD_SHARE = 0.01
_GREY = {"1", "L", "LA", "I", "I;16", "I;16B", "I;16L"}
_DEEP = ("I", "I;16", "I;16B", "I;16L")
_FLOATS = 4


Read = TypeVar("Read")


class Unusable(Exception):
    """One image cannot be used; says why in a few words."""


@dataclass(frozen=True)
class Header:
    """What an image says of itself before it is decoded."""

    width: int
    height: int
    grey: bool


@dataclass
class Found:
    """The images of an archive, in its order, as far as they can be read."""

    names: list[str]
    headers: dict[int, Header]
    """By position in ``names``."""
    bad: dict[int, str]


def load(source: ImageFolderSource, raw: Path) -> tuple[Images, Target, OwnSplits | None, tuple[str, ...]]:
    """The images that can be used, where their folders place them, and notes."""
    archive = raw / paths.IMAGES
    found = _look(archive)
    _expect_mostly_good(found)
    shape = _common_shape(found, source.size)
    pixels = _decoded(archive, found, shape)
    _expect_mostly_good(found)
    kept = np.array([i for i in range(len(found.names)) if i not in found.bad], dtype=np.int64)
    parts, labels = zip(*(found.names[i].split("/", 2)[:2] for i in kept), strict=True)
    classes = sorted({name.split("/", 2)[1] for name in found.names})
    index = {name: i for i, name in enumerate(classes)}
    target = Target("class", Task.CLASSIFICATION, np.array([index[label] for label in labels]), tuple(classes))
    own = None
    if ImagePart.ALL not in parts:
        own = OwnSplits(np.array([SPLITS.index(part) for part in parts], dtype=np.int8))
    return Images(pixels[: len(kept)]), target, own, _notes(source, found, shape)


def load_new(raw: Path, encoding: ImageEncoding) -> Images:
    """Images to predict, in the archive's order, brought to what the model reads. None of them is left out."""
    archive = raw / paths.IMAGES
    found = _look(archive)
    pixels = _decoded(archive, found, encoding.shape)
    if found.bad:
        raise Refused(
            RefusalKind.BAD_IMAGES,
            f"{len(found.bad)} of {len(found.names)} images cannot be used, and without them predictions would not be "
            f"in the order of the files: {_listed(found)}. Remove them.",
        )
    return Images(pixels)


# ---- which images --------------------------------------------------------------------------------------------------


def _look(archive: Path) -> Found:
    """Headers of all images; nothing is decoded yet."""
    found = Found([], {}, {})
    for name, file in _members(archive):
        position = len(found.names)
        found.names.append(name)
        try:
            found.headers[position] = _guarded(partial(_header, file))
        except Unusable as error:
            found.bad[position] = str(error)
    return found


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(archive) as packed:
        for member in packed:
            if member.isreg() and (file := packed.extractfile(member)) is not None:
                yield member.name, file


def _header(file: IO[bytes]) -> Header:
    with Image.open(file, formats=_FORMATS) as image:
        width, height = image.size
        if width * height > _MOST_PIXELS:
            raise Unusable(f"{width} x {height} is too large")
        if width * height <= 1:
            raise Unusable("a single pixel")
        palette = image.mode == "P" and image.palette is not None
        grey = image.mode in _GREY or (palette and _grey_palette(image))
        return Header(width, height, grey)


def _grey_palette(image: Image.Image) -> bool:
    colours = np.array(image.getpalette("RGB") or [], dtype=np.uint8).reshape(-1, 3)
    return bool((colours == colours[:, :1]).all())


def _guarded(read: Callable[[], Read]) -> Read:
    """Whatever a decoder raises over a damaged file is that the file cannot be used."""
    try:
        return read()
    except (Unusable, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise Unusable("no image") from error
    except (OSError, SyntaxError, ValueError, struct.error) as error:
        raise Unusable(str(error)[:60] or type(error).__name__) from error
    except Exception as error:  # decoders raise anything at all over a damaged file
        raise Unusable(type(error).__name__) from error


def _expect_mostly_good(found: Found) -> None:
    if not found.names:
        raise Refused(RefusalKind.TOO_FEW_ROWS, "The folder holds no images.")
    if len(found.bad) > _BAD_SHARE * len(found.names):
        raise Refused(
            RefusalKind.BAD_IMAGES,
            f"{len(found.bad)} of {len(found.names)} images cannot be used, more than one in a hundred: "
            f"{_listed(found)}. Repair or remove them.",
        )


def _listed(found: Found) -> str:
    names = [found.names[i].split("/", 1)[1].removeprefix("-/") + f" ({why})" for i, why in sorted(found.bad.items())]
    return ", ".join(shown(name, 70) for name in names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _notes(source: ImageFolderSource, found: Found, shape: tuple[int, int, int]) -> tuple[str, ...]:
    notes = []
    if found.bad:
        share = f"{len(found.bad)} of {len(found.names)} images"
        notes.append(f"{share} could not be used and were left out: {_listed(found)}.")
    if source.ignored:
        notes.append(f"{_count(source.ignored, 'file')} beside them, not named as images are, passed over.")
    other = sum((h.height, h.width) != shape[1:] for i, h in found.headers.items() if i not in found.bad)
    if other:
        notes.append(f"{_count(other, 'image')} of another size, brought to {shape[2]} x {shape[1]}.")
    return tuple(notes)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


# ---- their pixels --------------------------------------------------------------------------------------------------


def _common_shape(found: Found, size: int | None) -> tuple[int, int, int]:
    """C x H x W: the most common size, the first of them where several are, or the one asked for."""
    headers = list(found.headers.values())
    (height, width), _ = Counter((h.height, h.width) for h in headers).most_common(1)[0]
    return 1 if all(h.grey for h in headers) else 3, size or height, size or width


def _decoded(archive: Path, found: Found, shape: tuple[int, int, int]) -> Pixels:
    """N x C x H x W; the good ones come first. Adds to ``found.bad`` what turns out to be damaged."""
    nbytes = len(found.names) * shape[0] * shape[1] * shape[2]
    what = f"{len(found.names)} images of {shape[2]} x {shape[1]}"
    hint = "" if shape[1] <= 32 else " (#size=32 brings them to 32 x 32)"
    memory.require(nbytes * (1 + _FLOATS), what + hint)
    pixels = np.empty((len(found.names), *shape), dtype=np.uint8)
    filled = 0
    for position, (_, file) in enumerate(_members(archive)):
        if position in found.bad:
            continue
        try:
            pixels[filled] = _guarded(partial(_pixels, file, shape))
            filled += 1
        except Unusable as error:
            found.bad[position] = str(error)
    return pixels[:filled]


def _pixels(file: IO[bytes], shape: tuple[int, int, int]) -> Pixels:
    channels, height, width = shape
    with Image.open(file, formats=_FORMATS) as image:
        image.load()
        flat: Image.Image = image
        if image.mode in _DEEP:
            flat = Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
        flat = flat.convert("L" if channels == 1 else "RGB")
        if flat.size != (width, height):
            flat = flat.resize((width, height), Image.Resampling.BILINEAR)
        values = np.asarray(flat, dtype=np.uint8)
    return values[None] if channels == 1 else values.transpose(2, 0, 1)
