"""The catalogue of public sets: what is shipped, another one, and what a specification makes of a name."""

import hashlib
from pathlib import Path

import pytest

from fakes import image_files
from fumehood.data import published, specs
from fumehood.errors import DataError, UsageError
from fumehood_shared.messages import ImageFormat, ImageSetSource

pytestmark = pytest.mark.unit

SETS = {each.name: each for each in published.read(published.SHIPPED)}


def test_the_shipped_catalogue_has_what_people_expect():
    assert set(SETS) == {"mnist", "fashion_mnist", "kmnist", "emnist", "cifar10", "cifar100", "svhn", "stl10"}
    assert {each.format for each in SETS.values()} == set(ImageFormat)


def test_checksums_are_those_of_torchvision():
    """Its source is read, as importing it takes torch."""
    import importlib.util

    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None:
        pytest.skip("torchvision is not installed")
    folder = Path(found.origin).parent / "datasets"
    source = "".join((folder / f"{name}.py").read_text() for name in ("mnist", "cifar", "svhn", "stl10"))
    for each in SETS.values():
        assert all(file.checksum in source for file in each.files), each.name
        assert any(mirror.rstrip("/") in source for mirror in each.mirrors), each.name


@pytest.mark.parametrize(("part", "classes"), [("balanced", 47), ("bymerge", 47), ("byclass", 62), ("letters", 26)])
def test_emnist_has_as_many_classes_as_its_paper_says(part, classes):
    assert len(set(published.EMNIST_CLASSES[part])) == classes


def catalogue(folder: Path, files: dict[str, bytes], like: str = "mnist") -> Path:
    """A catalogue with one set, whose checksums are those of ``files``."""
    listed = ", ".join(f'{{ name = "{n}", sha256 = "{hashlib.sha256(c).hexdigest()}" }}' for n, c in files.items())
    text = f"""[[sets]]
name = "{like}"
format = "{SETS[like].format}"
shape = [1, 28, 28]
rows = 80
megabytes = 1
classes = {list(SETS[like].classes)}
summary = "Small."
citation = "Nobody."
mirrors = ["http://127.0.0.1:9/"]
files = [{listed}]
"""
    path = folder / "catalogue.toml"
    path.write_text(text)
    return path


def test_another_catalogue_is_read_where_it_is_named(tmp_path, monkeypatch):
    files = image_files.mnist(image_files.pixels(60, 28, 28), image_files.pixels(20, 28, 28))
    monkeypatch.setenv("FUMEHOOD_DATA_CATALOG", str(catalogue(tmp_path, files)))
    monkeypatch.setenv("FUMEHOOD_DATA_DIR", str(tmp_path))
    image_files.write_folder(tmp_path / "mnist", files)
    spec = specs.parse("mnist")
    assert spec.source == ImageSetSource(format=ImageFormat.IDX, classes=tuple("0123456789"))
    assert [name for name, _ in spec.files] == list(files)


def test_a_set_larger_than_the_policy_takes_is_told(tmp_path, monkeypatch):
    files = image_files.mnist(image_files.pixels(3000, 28, 28), image_files.pixels(20, 28, 28))
    monkeypatch.setenv("FUMEHOOD_DATA_CATALOG", str(catalogue(tmp_path, files)))
    monkeypatch.setenv("FUMEHOOD_DATA_DIR", str(tmp_path))
    image_files.write_folder(tmp_path / "mnist", files)
    with pytest.raises(DataError, match=r"at most 1\.0 MiB are taken"):
        specs.parse("mnist", 2**20)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "sets"),
        ("sets = 3", "sets"),
        ("[[sets]]\nname = '../x'", "sets.0.name"),
        ("not toml", "not TOML"),
        ("\xff", "not TOML"),
    ],
)
def test_a_catalogue_that_cannot_be_used_is_told_with_the_key(tmp_path, monkeypatch, text, says):
    path = tmp_path / "catalogue.toml"
    path.write_text(text, encoding="latin-1")
    monkeypatch.setenv("FUMEHOOD_DATA_CATALOG", str(path))
    with pytest.raises(UsageError, match=says) as caught:
        specs.parse("digits")
    assert "FUMEHOOD_DATA_CATALOG" in caught.value.hint


@pytest.mark.parametrize("name", ["../x", "a/b", ".hidden", "x\n"])
def test_a_file_of_the_catalogue_cannot_lie_elsewhere(tmp_path, name):
    path = catalogue(tmp_path, {"x": b""})
    path.write_text(path.read_text().replace('name = "x"', f"name = {name!r}"))
    with pytest.raises(UsageError):
        published.read(path)


def test_an_option_that_a_set_does_not_have_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("FUMEHOOD_DATA_DIR", str(tmp_path))
    with pytest.raises(DataError, match="Unknown data option 'split'") as caught:
        specs.parse("cifar10#split=letters")
    assert "no options" in caught.value.hint


def test_emnists_other_sets_are_chosen_by_an_option(tmp_path, monkeypatch):
    files = {"gzip.zip": b"not looked into here"}
    monkeypatch.setenv("FUMEHOOD_DATA_CATALOG", str(catalogue(tmp_path, files, "emnist")))
    monkeypatch.setenv("FUMEHOOD_DATA_DIR", str(tmp_path))
    image_files.write_folder(tmp_path / "emnist", files)
    assert specs.parse("emnist").source.part == "balanced"
    source = specs.parse("emnist#split=letters").source
    assert (source.part, source.classes[0], len(source.classes)) == ("letters", "a", 26)
    with pytest.raises(DataError, match="EMNIST has no set 'letter'"):
        specs.parse("emnist#split=letter")


def test_a_set_that_was_not_fetched_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("FUMEHOOD_DATA_DIR", str(tmp_path))
    with pytest.raises(DataError, match="mnist has not been fetched") as caught:
        specs.parse("mnist")
    assert "fumehood data fetch mnist" in caught.value.hint
    assert "f68b3c2dcbeaaa9fbdd348bbdeb94873" in caught.value.hint
