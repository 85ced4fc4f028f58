"""Public image sets: every format gives its images back, upright, with their own labels and official test set."""

import gzip
import io
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the prepare room's libraries are not installed")

from prepare_room import Prepared, Room

from fakes import image_files
from fumehood_shared import paths
from fumehood_shared.messages import ImageFormat, ImageSetSource, InputKind, PrepareReply, Refusal, Task

pytestmark = pytest.mark.runner

DIGITS = tuple("0123456789")


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def source(form: ImageFormat, classes: tuple[str, ...] = DIGITS, part: str = "") -> ImageSetSource:
    return ImageSetSource(format=form, classes=classes, part=part)


def originals(prepared: Prepared, split: str) -> np.ndarray:
    """The pixels that were standardised: N x C x H x W."""
    encoding = prepared.reply.encoding
    std, mean = (np.array(values).reshape(-1, 1, 1) for values in (encoding.std, encoding.mean))
    return np.round(prepared.array(f"{split}_inputs") * std + mean).astype(np.uint8)


def multiset(images: np.ndarray, labels: np.ndarray) -> list[tuple[bytes, int]]:
    return sorted((image.tobytes(), int(label)) for image, label in zip(images, labels, strict=True))


def expect_same(prepared: Prepared, train: np.ndarray, test: np.ndarray, classes: int) -> None:
    """The official test set is the test split, and training and validation are the official training part."""
    ours = [(originals(prepared, s), prepared.array(f"{s}_targets")) for s in ("train", "validation", "test")]
    assert multiset(*ours[2]) == multiset(test, np.arange(len(test)) % classes)
    both = multiset(*ours[0]) + multiset(*ours[1])
    assert sorted(both) == multiset(train, np.arange(len(train)) % classes)
    assert len(ours[1][0]) == pytest.approx(0.2 * len(train), abs=1)
    assert set(ours[1][1].tolist()) == set(range(classes)), "validation is stratified"
    assert prepared.reply.input_kind is InputKind.IMAGE
    assert prepared.reply.task is Task.CLASSIFICATION


def test_mnist_files(room: Room) -> None:
    train, test = image_files.pixels(60, 28, 28), image_files.pixels(20, 28, 28, seed=1)
    prepared = room.put_files(image_files.mnist(train, test)).accept(source(ImageFormat.IDX))
    expect_same(prepared, train[:, None], test[:, None], 10)
    assert prepared.reply.target.classes == DIGITS
    assert prepared.reply.input_shape == (1, 28, 28)


@pytest.mark.parametrize(("part", "classes", "first"), [("balanced", 47, 0), ("letters", 26, 1)])
def test_emnist_images_are_stood_upright_and_letters_count_from_zero(room, part, classes, first):
    train, test = image_files.pixels(classes * 5, 28, 28), image_files.pixels(classes, 28, 28, seed=1)
    room.put_files(image_files.emnist(part, train, test, classes, first))
    names = tuple(chr(65 + i) for i in range(classes))
    expect_same(room.accept(source(ImageFormat.EMNIST, names, part)), train[:, None], test[:, None], classes)


def test_cifar10_is_unpickled_and_names_its_own_classes(room: Room) -> None:
    batches = [image_files.pixels(20, 3072, seed=i) for i in range(5)]
    test = image_files.pixels(20, 3072, seed=9)
    prepared = room.put_files(image_files.cifar10(batches, test)).accept(source(ImageFormat.CIFAR10, ()))
    expect_same(prepared, np.concatenate(batches).reshape(-1, 3, 32, 32), test.reshape(-1, 3, 32, 32), 10)
    assert prepared.reply.target.classes[3] == "cat"
    assert prepared.reply.input_shape == (3, 32, 32)


def test_cifar100_takes_the_fine_labels(room: Room) -> None:
    train, test = image_files.pixels(500, 3072), image_files.pixels(100, 3072, seed=1)
    prepared = room.put_files(image_files.cifar100(train, test)).accept(source(ImageFormat.CIFAR100, ()))
    expect_same(prepared, train.reshape(-1, 3, 32, 32), test.reshape(-1, 3, 32, 32), 100)
    assert prepared.reply.target.classes[7] == "thing 07"


def test_svhn_reads_label_ten_as_the_digit_zero(room: Room) -> None:
    train, test = image_files.pixels(60, 3, 32, 32), image_files.pixels(20, 3, 32, 32, seed=1)
    prepared = room.put_files(image_files.svhn(train, test)).accept(source(ImageFormat.SVHN))
    expect_same(prepared, train, test, 10)


def test_stl10_columns_become_rows(room: Room) -> None:
    train, test = image_files.pixels(60, 3, 96, 96), image_files.pixels(20, 3, 96, 96, seed=1)
    prepared = room.put_files(image_files.stl10(train, test)).accept(source(ImageFormat.STL10, ()))
    expect_same(prepared, train, test, 10)
    assert prepared.reply.target.classes[7] == "monkey"


def test_the_encoding_is_fitted_on_the_training_rows_alone(room: Room) -> None:
    train, test = image_files.pixels(60, 28, 28) // 4, np.full((20, 28, 28), 255, np.uint8)
    prepared = room.put_files(image_files.mnist(train, test)).accept(source(ImageFormat.IDX))
    inputs = prepared.array("train_inputs").astype(np.float64)
    assert (inputs.mean(), inputs.std()) == (pytest.approx(0, abs=1e-5), pytest.approx(1, abs=1e-5))
    assert prepared.array("test_inputs").min() > 8


def test_a_subset_keeps_the_share_of_the_official_test_set(room: Room) -> None:
    train, test = image_files.pixels(300, 28, 28), image_files.pixels(100, 28, 28, seed=1)
    prepared = room.put_files(image_files.mnist(train, test)).accept(source(ImageFormat.IDX), subset=120)
    assert len(prepared.array("test_inputs")) == 30
    assert sum(len(prepared.array(f"{s}_inputs")) for s in ("train", "validation")) == 90
    tests = {image.tobytes() for image in test}
    assert all(image.tobytes() in tests for image in originals(prepared, "test")[:, 0])


def test_all_rows_are_encoded_for_a_prediction_in_the_order_of_the_files(room: Room) -> None:
    train, test = image_files.pixels(60, 28, 28), image_files.pixels(20, 28, 28, seed=1)
    room.put_files(image_files.mnist(train, test))
    encoding = room.accept(source(ImageFormat.IDX)).reply.encoding
    inputs = room.encoded_as(source(ImageFormat.IDX), encoding)
    shown = np.round(inputs * encoding.std[0] + encoding.mean[0]).astype(np.uint8)
    assert np.array_equal(shown[:, 0], np.concatenate([train, test]))


# ---- files that are not as they should be --------------------------------------------------------------------------


def small_mnist() -> dict[str, bytes]:
    return image_files.mnist(image_files.pixels(60, 28, 28), image_files.pixels(20, 28, 28, seed=1))


def refusal(room: Room, files: dict[str, bytes], form: ImageFormat, classes: tuple[str, ...] = DIGITS) -> str:
    reply = room.put_files(files).reply_to(source(form, classes))
    assert isinstance(reply, Refusal), reply
    return reply.message


def test_a_wrong_magic_number_is_named(room: Room) -> None:
    files = small_mnist()
    files["t10k-images-idx3-ubyte.gz"] = files["t10k-labels-idx1-ubyte.gz"]
    message = refusal(room, files, ImageFormat.IDX)
    assert "'t10k-images-idx3-ubyte.gz' is no IDX file of bytes with 3 axes: it begins with 00 00 08 01" in message


@pytest.mark.parametrize("kept", [0, 10, 500, -1])
def test_a_cut_gzip_file_is_named(room: Room, kept: int) -> None:
    files = small_mnist()
    files["train-images-idx3-ubyte.gz"] = files["train-images-idx3-ubyte.gz"][:kept]
    message = refusal(room, files, ImageFormat.IDX)
    assert "train-images-idx3-ubyte.gz'" in message
    assert "cut off" in message or "begins with" in message


def test_fewer_images_than_announced_are_told_with_both_numbers(room: Room) -> None:
    files = small_mnist()
    head = bytes([0, 0, 8, 1]) + (61).to_bytes(4, "big")
    files["train-labels-idx1-ubyte.gz"] = gzip.compress(head + bytes(60))
    assert "61 bytes are announced, and 60 are there" in refusal(room, files, ImageFormat.IDX)


def test_images_without_labels_are_told(room: Room) -> None:
    files = small_mnist()
    files["train-labels-idx1-ubyte.gz"] = image_files.idx(np.arange(59) % 10)
    assert "60 images and 59 labels" in refusal(room, files, ImageFormat.IDX)


def test_a_label_beyond_the_classes_is_told(room: Room) -> None:
    assert "outside its 9 classes" in refusal(room, small_mnist(), ImageFormat.IDX, DIGITS[:9])


def test_a_class_missing_from_the_training_set_is_named(room: Room) -> None:
    files = small_mnist()
    files["train-labels-idx1-ubyte.gz"] = image_files.idx(np.arange(60) % 9)
    files["t10k-labels-idx1-ubyte.gz"] = image_files.idx(np.arange(20) % 2 + 8)
    message = refusal(room, files, ImageFormat.IDX)
    assert "no training rows of 1 of 10 classes of 'class'" in message


class Hostile:
    def __reduce__(self):
        return print, ("you should not see this",)


def test_a_pickle_that_calls_something_is_refused_and_calls_nothing(room, capsys):
    files = image_files.cifar10([image_files.pixels(20, 3072)] * 5, image_files.pixels(20, 3072), [Hostile()])
    message = refusal(room, files, ImageFormat.CIFAR10, ())
    assert "asks for builtins.print" in message or "asks for __builtin__.print" in message
    assert "should not see" not in capsys.readouterr().out


@pytest.mark.parametrize("given", [["a"] * 20, [True] * 20, "0" * 20, None])
def test_labels_of_another_kind_are_refused(room, given):
    files = {"cifar-10-batches-py/data_batch_1": pickle.dumps({"data": image_files.pixels(20, 3072), "labels": given})}
    whole = image_files.cifar10([image_files.pixels(20, 3072)] * 5, image_files.pixels(20, 3072))
    with tarfile.open(fileobj=io.BytesIO(whole["cifar-10-python.tar.gz"])) as archive:
        members = {m.name: archive.extractfile(m).read() for m in archive}
    room.put_files({"cifar-10-python.tar.gz": image_files.tar_gz({**members, **files})})
    reply = room.reply_to(source(ImageFormat.CIFAR10, ()))
    assert "'data_batch_1' has no list 'labels' of whole numbers" in reply.message


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_cut_archive_of_pickles_is_refused(room, share):
    files = image_files.cifar10([image_files.pixels(20, 3072, seed=i) for i in range(5)], image_files.pixels(20, 3072))
    whole = files["cifar-10-python.tar.gz"]
    message = refusal(room, {"cifar-10-python.tar.gz": whole[: int(len(whole) * share)]}, ImageFormat.CIFAR10, ())
    assert "damaged" in message


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_cut_stl10_archive_is_refused(room, share):
    files = image_files.stl10(image_files.pixels(30, 3, 96, 96), image_files.pixels(10, 3, 96, 96))
    whole = files["stl10_binary.tar.gz"]
    message = refusal(room, {"stl10_binary.tar.gz": whole[: int(len(whole) * share)]}, ImageFormat.STL10, ())
    assert "damaged" in message or "cut off" in message


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_cut_matlab_file_is_refused(room, share):
    files = image_files.svhn(image_files.pixels(30, 3, 32, 32), image_files.pixels(10, 3, 32, 32))
    whole = files["train_32x32.mat"]
    files["train_32x32.mat"] = whole[: int(len(whole) * share)]
    assert "'train_32x32.mat' is cut off or damaged" in refusal(room, files, ImageFormat.SVHN)


def test_a_zip_without_the_set_asked_for_names_the_file(room: Room) -> None:
    room.put_files(image_files.emnist("letters", image_files.pixels(52, 28, 28), image_files.pixels(26, 28, 28), 26, 1))
    reply = room.reply_to(source(ImageFormat.EMNIST, DIGITS, "digits"))
    assert isinstance(reply, Refusal)
    assert "gzip/emnist-digits-train-images" in reply.message


def test_the_same_request_gives_the_same_bytes(room: Room) -> None:
    room.put_files(small_mnist())
    first = room.accept(source(ImageFormat.IDX), split_seed=3)
    content = {name: (first.out / paths.array_file(name)).read_bytes() for name in first.reply.arrays}
    again = room.reply_to(source(ImageFormat.IDX), split_seed=3)
    assert isinstance(again, PrepareReply)
    assert content == {name: (first.out / paths.array_file(name)).read_bytes() for name in again.arrays}
