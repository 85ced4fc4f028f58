"""A folder of images in the prepare room: what becomes of sizes, colours, damaged files and given splits."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the prepare room's libraries are not installed")

from prepare_room import Room
from sklearn.datasets import load_digits

from fakes import image_files
from fumehood.data import folder
from fumehood_shared import paths
from fumehood_shared.messages import ImageFolderSource, Refusal, RefusalKind

pytestmark = pytest.mark.runner

GREY = np.arange(64, dtype=np.uint8).reshape(8, 8)


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path / "room")


def put(room: Room, tmp_path: Path, files: dict[str, bytes], *, classes_needed: bool = True) -> Room:
    """As the controller sends a folder: packed by it."""
    root = image_files.write_folder(tmp_path / "pictures", files)
    with folder.pack(root, None, classes_needed=classes_needed).opened() as (size, pieces):
        content = b"".join(pieces)
    assert len(content) == size
    return room.put_files({paths.IMAGES: content})


def refusal(room: Room, size: int | None = None) -> Refusal:
    reply = room.reply_to(ImageFolderSource(size=size))
    assert isinstance(reply, Refusal), reply
    return reply


def test_digits_as_png_files_come_out_as_they_went_in(room, tmp_path):
    images, labels = load_digits(return_X_y=True)
    values = (images.reshape(-1, 8, 8) * 15).astype(np.uint8)[:300]
    files = {
        f"{label}/{i}.png": image_files.encoded(v) for i, (v, label) in enumerate(zip(values, labels, strict=False))
    }
    prepared = put(room, tmp_path, files).accept(ImageFolderSource())
    assert prepared.reply.input_shape == (1, 8, 8)
    assert prepared.reply.target.classes == tuple("0123456789")
    encoding = prepared.reply.encoding
    expected = {v.tobytes(): label for v, label in zip(values, labels, strict=False)}
    for split in ("train", "validation", "test"):
        shown = np.round(prepared.array(f"{split}_inputs") * encoding.std[0] + encoding.mean[0]).astype(np.uint8)
        assert [expected[v.tobytes()] for v in shown] == prepared.array(f"{split}_targets").tolist()
    assert prepared.reply.facts.rows == 300


def test_one_image_of_colour_makes_all_of_them_rgb(room, tmp_path):
    files = image_files.classes_of_images(10)
    files["cat/000.png"] = image_files.encoded(np.stack([GREY, GREY, 255 - GREY], axis=2))
    assert put(room, tmp_path, files).accept(ImageFolderSource()).reply.input_shape == (3, 8, 8)


def test_the_most_common_size_is_taken_and_the_others_are_counted(room, tmp_path):
    files = image_files.classes_of_images(10)
    files["dog/000.png"] = image_files.encoded(image_files.pixels(1, 20, 30)[0])
    reply = put(room, tmp_path, files).accept(ImageFolderSource()).reply
    assert reply.input_shape == (1, 8, 8)
    assert "1 image of another size, brought to 8 x 8." in reply.facts.notes


def test_a_size_can_be_asked_for(room, tmp_path):
    reply = put(room, tmp_path, image_files.classes_of_images(10)).accept(ImageFolderSource(size=4)).reply
    assert reply.input_shape == (1, 4, 4)


@pytest.mark.parametrize("kind", ["JPEG", "GIF", "BMP", "WEBP", "TIFF"])
def test_other_formats_are_read(room, tmp_path, kind):
    files = image_files.classes_of_images(10)
    for name in list(files):
        if name.startswith("dog"):
            files[name.replace("png", kind.lower())] = image_files.encoded(GREY, kind)
            del files[name]
    facts = put(room, tmp_path, files).accept(ImageFolderSource()).reply.facts
    assert facts.class_counts == {"cat": 10, "dog": 10}


def test_sixteen_bits_of_grey_keep_their_upper_eight(room, tmp_path):
    deep = {
        f"{c}/{i}.png": image_files.encoded((GREY.astype(np.uint16) + i) * 256 + 7) for c in "ab" for i in range(10)
    }
    prepared = put(room, tmp_path, deep).accept(ImageFolderSource())
    encoding = prepared.reply.encoding
    shown = np.round(prepared.array("train_inputs")[0, 0] * encoding.std[0] + encoding.mean[0])
    assert prepared.reply.input_shape == (1, 8, 8)
    assert np.array_equal(shown - shown[0, 0], GREY)


def test_folders_of_splits_are_kept_apart(room, tmp_path):
    files = {}
    for which, part in enumerate(("train", "val", "test")):
        for name, content in image_files.classes_of_images(6 + which).items():
            files[f"{part}/{name}"] = content
    prepared = put(room, tmp_path, files).accept(ImageFolderSource())
    assert [len(prepared.array(f"{s}_targets")) for s in ("train", "validation", "test")] == [12, 14, 16]


def test_validation_comes_out_of_training_where_only_a_test_folder_is_given(room, tmp_path):
    files = {f"{part}/{name}": c for part in ("train", "test") for name, c in image_files.classes_of_images(20).items()}
    prepared = put(room, tmp_path, files).accept(ImageFolderSource())
    assert [len(prepared.array(f"{s}_targets")) for s in ("train", "validation", "test")] == [32, 8, 40]


def test_test_images_come_out_of_training_where_only_a_validation_folder_is_given(room, tmp_path):
    files = {f"{part}/{name}": c for part in ("train", "val") for name, c in image_files.classes_of_images(20).items()}
    prepared = put(room, tmp_path, files).accept(ImageFolderSource())
    assert [len(prepared.array(f"{s}_targets")) for s in ("train", "validation", "test")] == [32, 40, 8]
    note = "The 40 validation rows are the data set's own. The 8 test rows are drawn from its training rows."
    assert note in prepared.reply.facts.notes


def parts_with(missing: str) -> dict[str, bytes]:
    """Folders of train and test images, but no dogs in ``missing``."""
    images = image_files.classes_of_images(20)
    files = {f"{part}/{name}": c for part in ("train", "test") for name, c in images.items()}
    return {name: c for name, c in files.items() if not name.startswith(f"{missing}/dog")}


def test_a_class_missing_from_a_test_folder_is_noted(room, tmp_path):
    facts = put(room, tmp_path, parts_with("test")).accept(ImageFolderSource()).reply.facts
    assert any(note.startswith("No test rows of these classes") and "'dog'" in note for note in facts.notes)


def test_a_class_missing_from_the_training_folder_is_refused(room, tmp_path):
    found = refusal(put(room, tmp_path, parts_with("train")))
    assert found.kind is RefusalKind.CLASS_MISSING
    assert "no training rows of 1 of 2 classes of 'class'" in found.message
    assert "'dog'" in found.message


def test_one_class_only_is_refused(room, tmp_path):
    found = refusal(put(room, tmp_path, image_files.classes_of_images(12, ("cat",))))
    assert found.kind is RefusalKind.ONE_CLASS
    assert "'cat'" in found.message


def damaged(content: bytes) -> bytes:
    """Cut off in the middle of its pixels."""
    return content[: int(len(content) * 0.6)]


def test_a_few_damaged_images_are_left_out_and_listed(room, tmp_path):
    files = image_files.classes_of_images(100)
    files["cat/007.png"] = damaged(files["cat/007.png"])
    files["dog/008.png"] = b"not an image"
    facts = put(room, tmp_path, files).accept(ImageFolderSource()).reply.facts
    assert facts.class_counts == {"cat": 99, "dog": 99}
    note = next(n for n in facts.notes if n.startswith("2 of 200 images could not be used"))
    assert "cat/007.png" in note
    assert "dog/008.png (no image)" in note


def test_the_labels_still_fit_once_a_damaged_image_is_left_out(room, tmp_path):
    files = {f"{'ab'[i % 2]}/{i:03d}.png": image_files.encoded(np.full((8, 8), i, np.uint8)) for i in range(200)}
    files["a/000.png"] = damaged(files["a/000.png"])
    files["b/101.png"] = damaged(files["b/101.png"])
    prepared = put(room, tmp_path, files).accept(ImageFolderSource())
    encoding = prepared.reply.encoding
    for split in ("train", "validation", "test"):
        shown = np.round(prepared.array(f"{split}_inputs")[:, 0, 0, 0] * encoding.std[0] + encoding.mean[0])
        assert (shown % 2 == prepared.array(f"{split}_targets")).all()
        assert not {0, 101} & set(shown.tolist())


def test_more_than_one_damaged_image_in_a_hundred_is_a_refusal(room, tmp_path):
    files = image_files.classes_of_images(100)
    for i in range(3):
        files[f"cat/00{i}.png"] = damaged(files[f"cat/00{i}.png"])
    found = refusal(put(room, tmp_path, files))
    assert found.kind is RefusalKind.BAD_IMAGES
    assert "3 of 200 images cannot be used, more than one in a hundred: 'cat/000.png" in found.message


def test_images_of_a_single_pixel_cannot_be_used(room, tmp_path):
    dots = {f"{c}/{i}.png": image_files.encoded(np.full((1, 1), i, np.uint8)) for c in "ab" for i in range(10)}
    found = refusal(put(room, tmp_path, dots))
    assert found.kind is RefusalKind.BAD_IMAGES
    assert "a single pixel" in found.message


def test_an_image_that_unpacks_to_too_many_pixels_is_not_decoded(room, tmp_path):
    files = image_files.classes_of_images(100)
    files["cat/000.png"] = image_files.encoded(np.zeros((8001, 8001), np.uint8))
    facts = put(room, tmp_path, files).accept(ImageFolderSource()).reply.facts
    assert any("8001 x 8001 is too large" in note for note in facts.notes)


def test_files_that_were_passed_over_are_counted(room, tmp_path):
    reply = put(room, tmp_path, image_files.classes_of_images(10)).accept(ImageFolderSource(ignored=3)).reply
    assert "3 files beside them, not named as images are, passed over." in reply.facts.notes


def test_new_images_are_brought_to_what_the_model_reads(room, tmp_path):
    encoding = put(room, tmp_path, image_files.classes_of_images(10)).accept(ImageFolderSource()).reply.encoding
    new = {"b.png": image_files.encoded(GREY), "a.png": image_files.encoded(np.full((30, 20, 3), 9, np.uint8))}
    (tmp_path / "new").mkdir()
    put(room, tmp_path / "new", new, classes_needed=False)
    inputs = room.encoded_as(ImageFolderSource(), encoding)
    shown = np.round(inputs * encoding.std[0] + encoding.mean[0])
    assert (shown[0] == 9).all()
    assert np.array_equal(shown[1, 0], GREY)


def test_a_damaged_new_image_is_refused_because_rows_would_shift(room, tmp_path):
    encoding = put(room, tmp_path, image_files.classes_of_images(10)).accept(ImageFolderSource()).reply.encoding
    (tmp_path / "new").mkdir()
    new = {f"{i}.png": image_files.encoded(GREY) for i in range(200)} | {"7.png": b"no"}
    put(room, tmp_path / "new", new, classes_needed=False)
    reply = room.encode_as(ImageFolderSource(), encoding)
    assert isinstance(reply, Refusal)
    assert "1 of 200 images" in reply.message
    assert "7.png" in reply.message
