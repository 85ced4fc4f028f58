"""A folder of images on the host: what is packed, in which order, and what is refused."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from fakes import image_files
from fumehood.data import folder, specs
from fumehood.errors import DataError
from fumehood_shared.messages import ImageFolderSource

pytestmark = pytest.mark.unit

TWO = {"cat/1.png": b"one", "cat/2.JPG": b"two", "dog/deep/er/3.webp": b"three"}


def written(root: Path, files: dict[str, bytes]) -> Path:
    return image_files.write_folder(root / "pictures", files)


def packed(root: Path, **how: object) -> dict[str, bytes]:
    with folder.pack(root, None, **how).opened() as (size, pieces):  # type: ignore[arg-type]  # keywords of a test
        content = b"".join(pieces)
    assert len(content) == size
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return {m.name: archive.extractfile(m).read() for m in archive}  # type: ignore[union-attr]  # all are files


def trouble(root: Path, max_bytes: int | None = None) -> str:
    with pytest.raises(DataError) as caught:
        folder.pack(root, max_bytes)
    assert caught.value.hint
    return f"{caught.value.what} {caught.value.hint}"


def test_images_are_packed_by_class_in_the_order_of_their_names(tmp_path):
    found = packed(written(tmp_path, dict(reversed(TWO.items()))))
    assert found == {"all/cat/1.png": b"one", "all/cat/2.JPG": b"two", "all/dog/deep/er/3.webp": b"three"}
    assert list(found) == sorted(found)


def test_hidden_files_are_passed_over_and_others_counted(tmp_path):
    root = written(tmp_path, {**TWO, ".git/x.png": b"", "cat/.DS_Store": b"", "cat/Thumbs.db": b"", "README": b""})
    assert folder.pack(root, None).ignored == 2
    assert len(packed(root)) == 3


def test_the_digest_depends_on_names_and_contents_alone(tmp_path):
    root = written(tmp_path, TWO)
    before = specs.parse(f"imagefolder:{root}").file_digests()
    for path in root.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o700)
    assert specs.parse(f"imagefolder:{root}").file_digests() == before
    (root / "cat/1.png").write_bytes(b"ONE")
    assert specs.parse(f"imagefolder:{root}").file_digests() != before


@pytest.mark.parametrize("validation", ["val", "valid", "validation"])
def test_folders_of_splits_keep_their_part(tmp_path, validation):
    files = {f"{part}/cat/1.png": part.encode() for part in ("train", validation, "test")}
    found = packed(written(tmp_path, files))
    assert found == {
        "test/cat/1.png": b"test", "train/cat/1.png": b"train", "validation/cat/1.png": validation.encode()
    }  # fmt: skip


def test_a_class_may_be_called_train(tmp_path):
    vehicles = packed(written(tmp_path, {"train/1.png": b"", "plane/1.png": b""}))
    assert set(vehicles) == {"all/plane/1.png", "all/train/1.png"}
    other = tmp_path / "other"
    other.mkdir()
    assert "all/train/1.png" in packed(written(other, {"train/1.png": b"", "test/1.png": b""}))


def test_long_names_and_names_that_are_not_utf8_are_packed(tmp_path):
    root = written(tmp_path, {f"cat/{'x' * 200}.png": b"long", "dog/1.png": b""})
    Path(os.fsdecode(os.fsencode(root) + b"/dog/\xff.png")).write_bytes(b"odd")
    found = packed(root)
    assert found[f"all/cat/{'x' * 200}.png"] == b"long"
    assert found["all/dog/?.png"] == b"odd"


def test_new_images_need_no_classes(tmp_path):
    root = written(tmp_path, {"b.png": b"2", "a.png": b"1", "c/d.png": b"3"})
    assert list(packed(root, classes_needed=False).items()) == [
        ("all/-/a.png", b"1"), ("all/-/b.png", b"2"), ("all/-/c/d.png", b"3")
    ]  # fmt: skip


@pytest.mark.parametrize("what", ["a file", "a folder"])
def test_a_link_that_leads_out_is_refused_with_its_goal(tmp_path, what):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key.png").write_bytes(b"")
    root = written(tmp_path, TWO)
    (root / "cat/out.png").symlink_to(secret / "key.png" if what == "a file" else secret)
    message = trouble(root)
    assert "out.png leads out of the folder" in message
    assert str(secret) in message


def test_a_class_that_is_a_link_out_is_refused(tmp_path):
    root = written(tmp_path, TWO)
    (root / "etc").symlink_to("/etc")
    assert "etc leads out of the folder" in trouble(root)


def test_a_link_to_an_image_inside_is_followed(tmp_path):
    root = written(tmp_path, TWO)
    (root / "dog/again.png").symlink_to(root / "cat/1.png")
    assert packed(root)["all/dog/again.png"] == b"one"


def test_a_loop_of_folders_and_a_link_to_nothing_are_refused(tmp_path):
    root = written(tmp_path, TWO)
    (root / "cat/loop").symlink_to(root)
    assert "is a link to a folder" in trouble(root)
    (root / "cat/loop").unlink()
    (root / "cat/none.png").symlink_to(root / "nothing.png")
    assert "leads nowhere" in trouble(root)


def test_the_folder_itself_may_be_a_link(tmp_path):
    (tmp_path / "link").symlink_to(written(tmp_path, TWO))
    assert len(packed(tmp_path / "link")) == 3


def test_empty_folders_are_named(tmp_path):
    root = tmp_path / "pictures"
    root.mkdir()
    assert "holds no folders, so its images have no classes" in trouble(root)
    written(tmp_path, TWO)
    (root / "bird").mkdir()
    assert "The folder of the class 'bird' holds no images" in trouble(root)
    (root / "bird/1.heic").write_bytes(b"")
    assert "only 1 other files" in trouble(root)


def test_what_is_no_folder_is_told(tmp_path):
    assert "There is no folder" in trouble(tmp_path / "nothing")
    (tmp_path / "file").write_bytes(b"")
    assert "is not a folder" in trouble(tmp_path / "file")


def test_more_than_the_policy_takes_is_told_with_both_sizes(tmp_path):
    root = written(tmp_path, {**TWO, "cat/4.png": bytes(3 * 2**20)})
    assert "are 3.0 MiB, and at most 2.0 MiB are taken" in trouble(root, 2 * 2**20)


def test_a_file_that_grows_while_it_is_sent_stops_the_stream(tmp_path):
    root = written(tmp_path, TWO)
    with folder.pack(root, None).opened() as (_, pieces):
        (root / "dog/deep/er/3.webp").write_bytes(b"longer than before")
        with pytest.raises(DataError, match="changed"):
            list(pieces)


def test_a_pipe_among_the_images_is_passed_over(tmp_path):
    root = written(tmp_path, TWO)
    os.mkfifo(root / "cat/pipe.png")
    assert folder.pack(root, None).ignored == 1


# ---- as a specification --------------------------------------------------------------------------------------------


def test_a_specification_says_size_and_what_was_passed_over(tmp_path):
    root = written(tmp_path, {**TWO, "notes.txt": b""})
    spec = specs.parse(f"imagefolder:{root}#size=32")
    assert spec.source == ImageFolderSource(size=32, ignored=1)
    assert [name for name, _ in spec.files] == ["images.tar"]


@pytest.mark.parametrize("size", ["0", "1", "-3", "9999999999", "32x32", "", "٣٢"])
def test_an_impossible_size_is_told(tmp_path, size):
    with pytest.raises(DataError, match="number of pixels"):
        specs.parse(f"imagefolder:{written(tmp_path, TWO)}#size={size}")


@pytest.mark.parametrize(("options", "says"), [("siz=3", "Did you mean size"), ("size=3&size=4", "twice")])
def test_unknown_and_repeated_options_are_told(tmp_path, options, says):
    with pytest.raises(DataError) as caught:
        specs.parse(f"imagefolder:{written(tmp_path, TWO)}#{options}")
    assert says in f"{caught.value.what} {caught.value.hint}"


def test_a_path_may_hold_a_hash_and_a_tilde_is_the_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    image_files.write_folder(tmp_path / "a#b", TWO)
    assert len(specs.parse("imagefolder:~/a#b").files[0][1].members) == 3


def test_new_images_need_no_folder_of_their_class(tmp_path):
    image_files.write_folder(tmp_path / "new", {"1.png": b"x", "deep/2.png": b"y"})
    spec = specs.for_new_rows(f"imagefolder:{tmp_path / 'new'}")
    assert [member.name for member in spec.files[0][1].members] == ["all/-/1.png", "all/-/deep/2.png"]
    with pytest.raises(DataError, match="names no folder"):
        specs.parse("imagefolder:#size=32")
