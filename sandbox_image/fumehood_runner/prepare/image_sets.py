"""Public image sets, read from the files they are published as. Nothing is fetched.

``idx``     MNIST and its kin: four gzipped IDX files, train and t10k
``emnist``  a zip of gzipped IDX files, six sets of them, images lying on their side
``cifar10`` ``cifar100``  a gzipped tar of pickles (``pickles``)
``svhn``    two MATLAB files; the digit 0 has the label 10
``stl10``   a gzipped tar of bytes, columns first; labels from 1; its unlabelled images are not used

Formats: LeCun, Cortes and Burges, "The MNIST database"; Cohen et al. (2017), arXiv:1702.05373; Krizhevsky (2009);
Netzer et al. (2011); Coates, Lee and Ng (2011). The official test set is the test split, always. Every size that a file
claims is compared with what it holds.
"""

import gzip
import math
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from fumehood_runner.prepare import memory, pickles
from fumehood_runner.prepare.images import Images
from fumehood_runner.prepare.placement import OwnSplits, with_own_test
from fumehood_runner.prepare.refusals import Refused, shown
from fumehood_runner.prepare.target import Target
from fumehood_shared.messages import ImageFormat, ImageSetSource, RefusalKind, Task

Bytes = NDArray[np.uint8]
Labelled = tuple[Bytes, NDArray[np.int64]]
"""Pixels N x C x H x W and class indices N."""

Content = TypeVar("Content")

_UNSIGNED_BYTES = 0x08
_DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error, tarfile.TarError, zipfile.BadZipFile)


def load(source: ImageSetSource, raw: Path) -> tuple[Images, Target, OwnSplits]:
    """All images of the set, training part first."""
    train, test, classes = _READERS[source.format](source, raw)
    classes = source.classes or classes
    for (pixels, labels), name in ((train, "training"), (test, "test")):
        if len(pixels) != len(labels):
            raise _refused(f"The {name} part has {len(pixels)} images and {len(labels)} labels.")
        if not len(labels):
            raise _refused(f"The {name} part holds no images.")
        if labels.min() < 0 or labels.max() >= len(classes):
            raise _refused(f"The {name} part has labels outside its {len(classes)} classes.")
    if train[0].shape[1:] != test[0].shape[1:]:
        raise _refused("Training and test images are of different sizes.")
    memory.require(train[0].nbytes + test[0].nbytes, "its images")
    target = Target("class", Task.CLASSIFICATION, np.concatenate([train[1], test[1]]), tuple(classes))
    return Images(np.concatenate([train[0], test[0]])), target, with_own_test(len(train[0]), len(test[0]))


# ---- IDX -----------------------------------------------------------------------------------------------------------


def _idx(_: ImageSetSource, raw: Path) -> tuple[Labelled, Labelled, tuple[str, ...]]:
    def part(prefix: str) -> Labelled:
        images, labels = (raw / f"{prefix}-{rest}.gz" for rest in ("images-idx3-ubyte", "labels-idx1-ubyte"))
        with _opened(images) as file, gzip.open(file) as inner:
            pixels = _read_idx(cast(IO[bytes], inner), images.name, 3)
        with _opened(labels) as file, gzip.open(file) as inner:
            return pixels[:, None], _read_idx(cast(IO[bytes], inner), labels.name, 1).astype(np.int64)

    return part("train"), part("t10k"), ()


def _emnist(source: ImageSetSource, raw: Path) -> tuple[Labelled, Labelled, tuple[str, ...]]:
    first = 1 if source.part == "letters" else 0

    def part(archive: zipfile.ZipFile, which: str) -> Labelled:
        name = f"gzip/emnist-{source.part}-{which}"
        pixels = _read_zipped(archive, f"{name}-images-idx3-ubyte.gz", 3)
        labels = _read_zipped(archive, f"{name}-labels-idx1-ubyte.gz", 1).astype(np.int64)
        return np.ascontiguousarray(pixels.transpose(0, 2, 1))[:, None], labels - first

    with _opened(raw / "gzip.zip") as file, zipfile.ZipFile(file) as archive:
        return part(archive, "train"), part(archive, "test"), ()


def _read_zipped(archive: zipfile.ZipFile, name: str, axes: int) -> Bytes:
    try:
        member = archive.open(name)
    except KeyError as error:
        raise _refused(f"The archive has no file {shown(name)}.") from error
    with member, gzip.open(member) as inner:
        return _read_idx(cast(IO[bytes], inner), name, axes)


def _read_idx(file: IO[bytes], name: str, axes: int) -> Bytes:
    """Magic number (two zeros, type, number of axes), the length of each axis as a big-endian uint32, the values."""
    magic = file.read(4)
    if magic != bytes([0, 0, _UNSIGNED_BYTES, axes]):
        raise _refused(
            f"{shown(name)} is no IDX file of bytes with {axes} axes: it begins with {magic.hex(' ')} and not with "
            f"00 00 08 0{axes}."
        )
    shape = tuple(int(n) for n in np.frombuffer(_exactly(file, 4 * axes, name), dtype=">u4"))
    values = np.frombuffer(_exactly(file, math.prod(shape), name), dtype=np.uint8).reshape(shape)
    if file.read(1):
        raise _refused(f"{shown(name)} goes on after the {shape[0]} entries that it announces.")
    return values


# ---- CIFAR ---------------------------------------------------------------------------------------------------------

_CIFAR10 = (tuple(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta", "labels", "label_names")
_CIFAR100 = (("train",), "test", "meta", "fine_labels", "fine_label_names")


def _cifar(source: ImageSetSource, raw: Path) -> tuple[Labelled, Labelled, tuple[str, ...]]:
    ten = source.format is ImageFormat.CIFAR10
    training, test, meta, labels, names = _CIFAR10 if ten else _CIFAR100
    archive = raw / f"cifar-{10 if ten else 100}-python.tar.gz"
    found = _read_members(archive, {*training, test, meta}, lambda file, name, _: pickles.load(file, name))
    batches = [_batch(found[name], name, labels) for name in training]
    together = np.concatenate([pixels for pixels, _ in batches]), np.concatenate([given for _, given in batches])
    return together, _batch(found[test], test, labels), _class_names(found[meta].get(names), meta)


def _batch(content: dict[str, Any], name: str, key: str) -> Labelled:
    pixels, labels = content.get("data"), content.get(key)
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != 2 or pixels.shape[1] != 3072:
        raise _refused(f"{shown(name)} has no array 'data' of N x 3072 bytes.")
    if not isinstance(labels, list) or not all(type(label) is int for label in labels):
        raise _refused(f"{shown(name)} has no list {shown(key)} of whole numbers.")
    return pixels.reshape(-1, 3, 32, 32), np.array(labels, dtype=np.int64)


def _class_names(names: Any, file: str) -> tuple[str, ...]:
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise _refused(f"{shown(file)} names no classes.")
    return tuple(names)


# ---- SVHN ----------------------------------------------------------------------------------------------------------


def _svhn(_: ImageSetSource, raw: Path) -> tuple[Labelled, Labelled, tuple[str, ...]]:
    return _matlab(raw / "train_32x32.mat"), _matlab(raw / "test_32x32.mat"), ()


def _matlab(path: Path) -> Labelled:
    """``X``: uint8, H x W x C x N. ``y``: N x 1, from 1 to 10."""
    from scipy.io import loadmat  # takes a moment to import, and no other set needs it

    try:
        content = loadmat(path, variable_names=["X", "y"])
    except MemoryError:
        raise
    except Exception as error:  # a damaged file can raise anything at all
        raise _refused(
            f"{shown(path.name)} is cut off or damaged, or no MATLAB file: {shown(str(error), 120)}."
        ) from error
    pixels, labels = content.get("X"), content.get("y")
    images = pixels is not None and pixels.dtype == np.uint8 and pixels.ndim == 4
    if not images or labels is None or labels.dtype.kind not in "iuf":
        raise _refused(f"{shown(path.name)} has no images 'X' of bytes (H x W x C x N) with labels 'y'.")
    given = labels.astype(np.int64).reshape(-1)
    if given.size and (given.min() < 1 or given.max() > 10):
        raise _refused(f"{shown(path.name)} has labels outside 1 to 10.")
    return np.ascontiguousarray(pixels.transpose(3, 2, 0, 1)), given % 10


# ---- STL-10 --------------------------------------------------------------------------------------------------------


def _stl10(_: ImageSetSource, raw: Path) -> tuple[Labelled, Labelled, tuple[str, ...]]:
    wanted = {"train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin", "class_names.txt"}
    found = _read_members(raw / "stl10_binary.tar.gz", wanted, lambda file, name, size: _exactly(file, size, name))
    names = tuple(found["class_names.txt"].decode("latin-1").split())
    return _columns_first(found, "train"), _columns_first(found, "test"), names


def _columns_first(found: dict[str, bytes], part: str) -> Labelled:
    """Each image is 3 x W x H: column by column within a channel."""
    pixels = np.frombuffer(found[f"{part}_X.bin"], dtype=np.uint8)
    if pixels.size % (3 * 96 * 96):
        raise _refused(f"{part}_X.bin does not hold a whole number of 3 x 96 x 96 images.")
    labels = np.frombuffer(found[f"{part}_y.bin"], dtype=np.uint8).astype(np.int64) - 1
    return np.ascontiguousarray(pixels.reshape(-1, 3, 96, 96).transpose(0, 1, 3, 2)), labels


# ---- files ---------------------------------------------------------------------------------------------------------


def _read_members(path: Path, wanted: set[str], read: Callable[[IO[bytes], str, int], Content]) -> dict[str, Content]:
    """What ``read`` makes of each regular file called one of ``wanted``, in whatever folder of the archive."""
    found: dict[str, Content] = {}
    with _opened(path) as outer, tarfile.open(fileobj=outer, mode="r|gz", bufsize=1 << 20) as archive:
        for member in archive:
            name = PurePosixPath(member.name).name
            if member.isreg() and name in wanted and (file := archive.extractfile(member)) is not None:
                memory.require(2 * member.size, f"its file {name}")
                found[name] = read(file, name, member.size)
    if lacking := sorted(wanted - found.keys()):
        raise _refused(f"{shown(path.name)} has no file {shown(lacking[0])}.")
    return found


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """A raw file; whatever shows that it is cut or damaged becomes a refusal that names it."""
    try:
        with path.open("rb") as file:
            yield file
    except _DAMAGED as error:
        raise _refused(f"{shown(path.name)} is cut off or damaged: {shown(str(error), 120)}.") from error


def _exactly(file: IO[bytes], size: int, name: str) -> bytes:
    memory.require(size, shown(name))
    content = file.read(size)
    if len(content) != size:
        raise _refused(f"{shown(name)} is cut off: {size} bytes are announced, and {len(content)} are there.")
    return content


def _refused(message: str) -> Refused:
    return Refused(RefusalKind.NOT_READABLE, message)


_READERS: dict[ImageFormat, Callable[[ImageSetSource, Path], tuple[Labelled, Labelled, tuple[str, ...]]]] = {
    ImageFormat.IDX: _idx,
    ImageFormat.EMNIST: _emnist,
    ImageFormat.CIFAR10: _cifar,
    ImageFormat.CIFAR100: _cifar,
    ImageFormat.SVHN: _svhn,
    ImageFormat.STL10: _stl10,
}
