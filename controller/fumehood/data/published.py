"""Public image sets that can be fetched: a catalogue that is data, read from a TOML file (``image_sets.toml``).

Nothing here looks at a data file (``store``) or a network (``fetch``).
"""

import os
import tomllib
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import Field, ValidationError, model_validator

from fumehood.errors import UsageError
from fumehood.records import Record
from fumehood.text import plain
from fumehood_shared.messages import ImageFormat

SHIPPED: Final = Path(__file__).with_name("image_sets.toml")
EMNIST_CLASSES: Final = {
    "balanced": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt",
    "bymerge": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt",
    "byclass": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
    "letters": "abcdefghijklmnopqrstuvwxyz",
    "digits": "0123456789",
    "mnist": "0123456789",
}
"""The sets in EMNIST's archive, each with its classes, one character long."""

_LARGEST: Final = 1024 * 1024
_Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,39}$")]
_FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


class PublishedFile(Record):
    """One file; exactly one of the two checksums is given, hexadecimal."""

    name: _FileName
    """In the set's folder and in the room."""
    md5: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None

    @model_validator(mode="after")
    def _has_one_checksum(self) -> Self:
        if (self.md5 is None) == (self.sha256 is None):
            raise ValueError("a file has either md5 or sha256")
        return self

    @property
    def algorithm(self) -> str:
        return "sha256" if self.sha256 else "md5"

    @property
    def checksum(self) -> str:
        return self.sha256 or self.md5 or ""


class ImageSet(Record):
    """One set: how it is read, what is in it, and where its files are."""

    name: _Name
    format: ImageFormat
    shape: tuple[int, int, int]
    """C x H x W."""
    rows: int
    megabytes: Annotated[float, Field(gt=0)]
    """About what is downloaded; a download that reaches twice that is given up."""
    classes: tuple[str, ...] = ()
    """In the order of their indices; empty where the files name them."""
    summary: str
    citation: str
    mirrors: Annotated[tuple[Annotated[str, Field(pattern=r"^https?://.+/$")], ...], Field(min_length=1)]
    """Addresses that a file's name is appended to, in the order in which they are tried."""
    files: Annotated[tuple[PublishedFile, ...], Field(min_length=1)]


class _Catalogue(Record):
    sets: tuple[ImageSet, ...]


def image_sets() -> tuple[ImageSet, ...]:
    """The shipped catalogue, or the file that FUMEHOOD_DATA_CATALOG names."""
    return read(Path(os.environ.get("FUMEHOOD_DATA_CATALOG") or SHIPPED))


def read(path: Path) -> tuple[ImageSet, ...]:
    """The sets of a catalogue. Raises UsageError for one that cannot be read, with the key that is wrong."""
    shown = plain(str(path), 200)
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise UsageError(f"The catalogue of data sets {shown} is larger than {_LARGEST} bytes.", _HINT)
        return _Catalogue.model_validate(tomllib.loads(content.decode())).sets
    except OSError as error:
        raise UsageError(f"The catalogue of data sets {shown} cannot be read: {error.strerror}.", _HINT) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"The catalogue of data sets {shown}: {plain(where)}: {first['msg']}.", _HINT) from error
    except ValueError as error:
        raise UsageError(f"The catalogue of data sets {shown} is not TOML: {plain(str(error), 200)}.", _HINT) from error


def find(name: str) -> ImageSet | None:
    """The set called exactly ``name``."""
    return next((each for each in image_sets() if each.name == name), None)


_HINT = f"Correct it (FUMEHOOD_DATA_CATALOG); {SHIPPED.name}, which is shipped, shows the form."
