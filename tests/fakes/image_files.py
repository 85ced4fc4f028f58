"""Small files in the formats in which public image sets are published, and folders of images."""

import gzip
import io
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

PER_CLASS = 6


def labels(classes: int, per_class: int = PER_CLASS) -> np.ndarray:
    """Every class ``per_class`` times, in turns."""
    return np.tile(np.arange(classes), per_class)


def pixels(count: int, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def idx(values: np.ndarray) -> bytes:
    """A gzipped IDX file of bytes."""
    head = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    return gzip.compress(head + values.astype(np.uint8).tobytes())


def mnist(train: np.ndarray, test: np.ndarray, classes: int = 10) -> dict[str, bytes]:
    """Four files; images are N x 28 x 28, labels in turns."""
    return {
        "train-images-idx3-ubyte.gz": idx(train),
        "train-labels-idx1-ubyte.gz": idx(np.arange(len(train)) % classes),
        "t10k-images-idx3-ubyte.gz": idx(test),
        "t10k-labels-idx1-ubyte.gz": idx(np.arange(len(test)) % classes),
    }


def emnist(part: str, train: np.ndarray, test: np.ndarray, classes: int, first: int) -> dict[str, bytes]:
    """The zip; upright images N x 28 x 28 are laid on their side, as the published ones are."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for which, upright in (("train", train), ("test", test)):
            name = f"gzip/emnist-{part}-{which}"
            archive.writestr(f"{name}-images-idx3-ubyte.gz", idx(upright.transpose(0, 2, 1)))
            archive.writestr(f"{name}-labels-idx1-ubyte.gz", idx(np.arange(len(upright)) % classes + first))
    return {"gzip.zip": buffer.getvalue()}


def tar_gz(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def cifar10(batches: list[np.ndarray], test: np.ndarray, given: list[Any] | None = None) -> dict[str, bytes]:
    """Five batches of N x 3072 and a test batch, pickled as Python 2 pickled them: protocol 2, text as bytes."""
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]

    def batch(data: np.ndarray) -> bytes:
        found = given if given is not None else (np.arange(len(data)) % 10).tolist()
        return pickle.dumps({"batch_label": "one", "labels": found, "data": data}, protocol=2)

    files = {f"cifar-10-batches-py/data_batch_{i}": batch(data) for i, data in enumerate(batches, start=1)}
    meta = pickle.dumps({"num_cases_per_batch": 10000, "label_names": names, "num_vis": 3072}, protocol=2)
    return {
        "cifar-10-python.tar.gz": tar_gz(
            {**files, "cifar-10-batches-py/test_batch": batch(test), "cifar-10-batches-py/batches.meta": meta}
        )
    }


def cifar100(train: np.ndarray, test: np.ndarray) -> dict[str, bytes]:
    def part(data: np.ndarray) -> bytes:
        fine = (np.arange(len(data)) % 100).tolist()
        return pickle.dumps({"fine_labels": fine, "coarse_labels": [n // 5 for n in fine], "data": data}, protocol=2)

    names = [f"thing {i:02d}" for i in range(100)]
    meta = pickle.dumps({"fine_label_names": names, "coarse_label_names": []}, protocol=2)
    files = {"train": part(train), "test": part(test), "meta": meta}
    return {"cifar-100-python.tar.gz": tar_gz({f"cifar-100-python/{name}": content for name, content in files.items()})}


def svhn(train: np.ndarray, test: np.ndarray) -> dict[str, bytes]:
    """Two MATLAB files; images are N x 3 x 32 x 32, and the digit 0 has the label 10."""
    from scipy.io import savemat

    files = {}
    for name, images in (("train", train), ("test", test)):
        digits = np.arange(len(images)) % 10
        buffer = io.BytesIO()
        content = {"X": images.transpose(2, 3, 1, 0), "y": np.where(digits == 0, 10, digits)[:, None].astype(np.uint8)}
        savemat(buffer, content, do_compression=True)
        files[f"{name}_32x32.mat"] = buffer.getvalue()
    return files


def stl10(train: np.ndarray, test: np.ndarray) -> dict[str, bytes]:
    """Images are N x 3 x 96 x 96, written column by column; labels from 1."""
    names = ["airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"]
    files = {"class_names.txt": "\n".join(names).encode() + b"\n", "unlabeled_X.bin": bytes(100)}
    for part, images in (("train", train), ("test", test)):
        files[f"{part}_X.bin"] = np.ascontiguousarray(images.transpose(0, 1, 3, 2)).tobytes()
        files[f"{part}_y.bin"] = (np.arange(len(images)) % 10 + 1).astype(np.uint8).tobytes()
    return {"stl10_binary.tar.gz": tar_gz({f"stl10_binary/{name}": content for name, content in files.items()})}


def encoded(values: np.ndarray, kind: str = "PNG", **options: Any) -> bytes:
    """An image file; ``values`` is H x W, or H x W x 3."""
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, kind, **options)
    return buffer.getvalue()


def write_folder(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def classes_of_images(per_class: int = PER_CLASS, classes: tuple[str, ...] = ("cat", "dog")) -> dict[str, bytes]:
    """CLASS/NAME.png; 8 x 8 grey images, a brighter left or right half telling the class."""
    files = {}
    for which, name in enumerate(classes):
        for i, image in enumerate(pixels(per_class, 8, 8, seed=which) // 2):
            image[:, 4 * (which % 2) : 4 * (which % 2) + 4] += 100
            files[f"{name}/{i:03d}.png"] = encoded(image)
    return files
