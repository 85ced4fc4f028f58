"""``fumehood data``: what is listed, fetched from a mirror on the loopback interface, and said where nothing is."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import fumehood, started

from fakes import image_files
from fakes.mirror import Mirror, serving

pytestmark = pytest.mark.unit

FILES = image_files.mnist(image_files.pixels(60, 28, 28), image_files.pixels(20, 28, 28, seed=1))


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with serving(Mirror(files=dict(FILES))) as found:
        yield found


@pytest.fixture
def places(tmp_path: Path, mirror: Mirror) -> dict[str, str]:
    """The environment of a user whose catalogue has a small mnist on the mirror."""
    listed = ", ".join(f'{{ name = "{n}", md5 = "{hashlib.md5(c).hexdigest()}" }}' for n, c in FILES.items())
    (tmp_path / "catalogue.toml").write_text(f"""[[sets]]
name = "mnist"
format = "idx"
shape = [1, 28, 28]
rows = 80
megabytes = 1
classes = {list("0123456789")}
summary = "Small digits."
citation = "Nobody (1998)."
mirrors = ["{mirror.url}"]
files = [{listed}]
""")
    where = {"FUMEHOOD_DATA_DIR": str(tmp_path / "data"), "FUMEHOOD_DATA_CATALOG": str(tmp_path / "catalogue.toml")}
    return {**where, "NO_PROXY": "127.0.0.1"}


def test_a_set_is_listed_as_to_fetch_then_as_fetched(places, mirror):
    assert "mnist          1 MB to fetch" in fumehood("data", "list", **places).out
    done = fumehood("data", "fetch", "mnist", **places)
    assert (done.code, done.out) == (0, "")
    assert "mnist: fetched 4 of 4 files, all verified" in done.err
    assert "mnist          fetched" in fumehood("data", "list", **places).out
    assert "mnist: nothing to fetch" in fumehood("data", "fetch", "mnist", **places).err
    assert len(mirror.asked) == 4


def test_fetching_for_a_program_prints_one_document(places):
    document = fumehood("data", "fetch", "mnist", "--json", **places).json
    (found,) = document["data"]
    assert {file["state"] for file in found["files"]} == {"ready"}
    assert found["folder"].endswith("data/mnist")
    public = {each["name"]: each for each in fumehood("data", "list", "--json", **places).json["public"]}
    assert {file["state"] for file in public["mnist"]["files"]} == {"ready"}


def test_a_wrong_file_is_an_error_with_the_mirror_and_the_checksum(places, mirror):
    mirror.files["train-labels-idx1-ubyte.gz"] = b"something else"
    done = fumehood("data", "fetch", "mnist", **places)
    assert done.code == 2
    assert f"{mirror.url} has a file with another checksum" in done.err
    assert hashlib.md5(FILES["train-labels-idx1-ubyte.gz"]).hexdigest() in done.err
    assert "mnist          incomplete" in fumehood("data", "list", **places).out
    ran = fumehood("check", "model.py", "--data", "mnist", **places)
    assert ran.code == 2


def test_what_was_not_fetched_is_described_with_what_to_do(places):
    done = fumehood("data", "describe", "mnist", **places)
    assert done.code == 0
    assert "fumehood data fetch mnist" in done.out
    assert all(name in done.out for name in FILES)
    assert fumehood("data", "describe", "mnist", "--json", **places).json["files"][0]["state"] == "missing"


@pytest.mark.parametrize(("name", "says"), [("digits", "needs no download"), ("mnits", "There are: mnist")])
def test_names_that_cannot_be_fetched_are_told(places, name, says):
    done = fumehood("data", "fetch", name, **places)
    assert done.code == 2
    assert says in done.err


def test_a_run_on_a_set_that_is_not_here_says_which_files_to_put_where(places):
    done = fumehood("run", "--goal", "classify", "--data", "mnist", **places)
    assert done.code == 2
    assert "mnist has not been fetched" in done.err
    assert all(name in done.err for name in FILES)


def test_help_imports_neither_pooch_nor_requests():
    done = started(
        "data", "--help", after="print([m for m in ('pooch', 'requests') if m in sys.modules], file=sys.stderr)"
    )
    assert done.err.strip() == "[]"


def test_a_switch_that_is_neither_yes_nor_no_is_refused_before_anything_begins(tmp_path):
    workdir, model = tmp_path / "run", tmp_path / "model.py"
    model.write_text("from torch import nn\n\ndef build_model(s, n):\n    return nn.Linear(s[0], n)\n")
    for command in (("run", "--goal", "Classify iris"), ("check", str(model), "--data", "iris")):
        done = fumehood(*command, "--workdir", str(workdir), FUMEHOOD_KEEP_PREPARED="perhaps")
        assert done.code == 2
        assert "FUMEHOOD_KEEP_PREPARED is neither yes nor no" in done.err
        assert not workdir.exists()


def test_kept_data_are_forgotten(tmp_path):
    cache = {"FUMEHOOD_CACHE": str(tmp_path)}
    assert fumehood("data", "forget", **cache).out == "No prepared data are kept.\n"
    (tmp_path / "prepared" / "name").mkdir(parents=True)
    (tmp_path / "prepared" / "name" / "train_inputs.bin").write_bytes(bytes(3000))
    (tmp_path / "beside").write_text("somebody else's")
    done = fumehood("data", "forget", "--json", **cache)
    assert (done.json["removed"], done.json["bytes"]) == (1, 3000)
    assert [path.name for path in tmp_path.iterdir()] == ["beside"]


def test_kept_data_that_cannot_be_removed_are_told(tmp_path):
    (tmp_path / "prepared").write_text("a file")
    done = fumehood("data", "forget", FUMEHOOD_CACHE=str(tmp_path))
    assert (done.code, "cannot be removed" in done.err) == (2, True)
