"""NumPy's .npz files become features and targets. Nothing is unpickled: arrays of Python objects are refused.

The sizes that count are those of the archive's directory, past which its reader does not go; a header that promises
more than its file holds is refused before anything is made for it. Inputs of N x F values are a table of F columns
named "column 1" and on, N x H x W and N x C x H x W are images; images with channels last are turned round.
"""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import pyarrow as pa
from numpy.lib import format as npy
from numpy.typing import NDArray

from fumehood_runner.prepare import memory
from fumehood_runner.prepare.cells import Cells, Table, from_numbers, from_words
from fumehood_runner.prepare.images import Images
from fumehood_runner.prepare.refusals import Refused, listing, printable, shown
from fumehood_shared.messages import RefusalKind

Array = NDArray[Any]

PAIRS: Final = (("inputs", "targets"), ("x", "y"), ("X", "y"))
"""Names looked for, in this order."""
OWN_TEST: Final = (("x_train", "y_train", "x_test", "y_test"), ("X_train", "y_train", "X_test", "y_test"))
"""Names of sets that bring their own test rows."""
_CHANNELS = (1, 3, 4)
_FACTOR = 3
_MOST_MEMBERS = 10_000
_SUFFIX = ".npy"


@dataclass(frozen=True)
class Npz:
    """An open file, of which single arrays are read."""

    archive: zipfile.ZipFile

    @property
    def names(self) -> list[str]:
        members = self.archive.namelist()
        return [name.removesuffix(_SUFFIX) for name in members if name.endswith(_SUFFIX)]

    def read(self, name: str) -> Array:
        """The array ``name``. Raises Refused where there is none, or it is not plain numbers or strings."""
        if name not in self.names:
            raise Refused(
                RefusalKind.WRONG_COLUMNS, f"There is no array {shown(name)}. The arrays are {listing(self.names)}."
            )
        member = self.archive.getinfo(name + _SUFFIX)
        memory.require(_FACTOR * member.file_size, f"array {shown(name)}")
        with self.archive.open(member) as file:
            shape, dtype = _header(file, name)
            if prod(shape) * dtype.itemsize > member.file_size:
                raise _damaged(f"array {shown(name)} is said to have the shape {shape}, and the file holds less")
        with self.archive.open(member) as file:
            return np.asarray(npy.read_array(file, allow_pickle=False))


@contextmanager
def open_npz(path: Path) -> Iterator[Npz]:
    """The file as ``Npz``; what goes wrong in reading it is a refusal."""
    try:
        with zipfile.ZipFile(path) as archive:
            if len(archive.namelist()) > _MOST_MEMBERS:
                raise _damaged(f"it holds more than {_MOST_MEMBERS} members")
            yield Npz(archive)
    except zipfile.BadZipFile as error:
        raise Refused(RefusalKind.NOT_READABLE, _not_npz(path)) from error
    except (OSError, ValueError, EOFError, NotImplementedError, RuntimeError, zlib.error) as error:
        raise _damaged(printable(str(error))) from error


def features(array: Array, name: str) -> tuple[Table | Images, tuple[str, ...]]:
    """A table or images, by the number of axes, and notes."""
    if array.dtype.kind not in "biuf":
        raise Refused(
            RefusalKind.WRONG_COLUMNS, f"Array {shown(name)} holds {array.dtype}, and inputs have to be numbers."
        )
    if array.ndim in (1, 2):
        return _table(array if array.ndim == 2 else array[:, None]), ()
    if array.ndim in (3, 4) and array.size:
        return _images(array, name)
    raise Refused(
        RefusalKind.WRONG_COLUMNS,
        f"Array {shown(name)} has the shape {array.shape}; inputs are rows x columns, or images: rows x height x "
        "width, or rows x channels x height x width.",
    )


def column(array: Array, name: str) -> Cells:
    """A column of numbers or words, of an array of one axis (or of N x 1)."""
    flat = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if flat.ndim != 1:
        raise Refused(
            RefusalKind.BAD_TARGET,
            f"Array {shown(name)} has the shape {array.shape}; one target for each row is needed. One-hot rows become "
            "classes by argmax(axis=1).",
        )
    if flat.dtype.kind == "b":
        flat = np.where(flat, "true", "false")
    if flat.dtype.kind == "U":
        words = [str(word).strip() for word in flat.tolist()]
        return from_words(name, pa.array([word or None for word in words], pa.string()))
    if flat.dtype.kind in "iuf":
        return from_numbers(name, flat.astype(np.float64))
    raise Refused(RefusalKind.BAD_TARGET, f"Array {shown(name)} holds {array.dtype}; use numbers or strings.")


def _table(array: Array) -> Table:
    columns = (from_numbers(f"column {i}", values.astype(np.float64)) for i, values in enumerate(array.T, start=1))
    return Table(tuple(columns), len(array))


def _images(array: Array, name: str) -> tuple[Images, tuple[str, ...]]:
    notes: tuple[str, ...] = ()
    if array.ndim == 3:
        array = array[:, None]
    elif array.shape[1] not in _CHANNELS and array.shape[3] in _CHANNELS:
        array = np.moveaxis(array, 3, 1)
        notes = (f"Images in {shown(name)} have their channels last, and were turned round.",)
    if array.shape[2:] == (1, 1):
        raise Refused(
            RefusalKind.BAD_IMAGES,
            f"Images in {shown(name)} are of a single pixel. Save their values as a table: an array of rows x columns.",
        )
    pixels = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(pixels).all():
        raise Refused(RefusalKind.WRONG_COLUMNS, f"Images in {shown(name)} have pixels that are NaN or infinite.")
    return Images(pixels), notes


def _header(file: IO[bytes], name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(file)
    if dtype.hasobject:
        raise Refused(
            RefusalKind.NOT_READABLE,
            f"Array {shown(name)} holds pickled Python objects, which are not read because unpickling runs code. Save "
            "numbers, or strings as a plain string array (astype(str)).",
        )
    return tuple(int(n) for n in shape), dtype


def _not_npz(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith(npy.MAGIC_PREFIX):
        return "The file is a single array (.npy). Save inputs and targets together with numpy.savez."
    return "The file is not an .npz file, or is cut off: it has no archive directory at its end."


def _damaged(why: str) -> Refused:
    return Refused(RefusalKind.NOT_READABLE, f"The .npz file is damaged: {why}.")
