"""Data specifications: what parses, and what the error says where one does not."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fumehood.data import catalog, specs, tables
from fumehood.errors import DataError
from fumehood_shared import paths
from fumehood_shared.messages import BuiltinSource, CsvSource, JsonlSource, NpzSource, ParquetSource, Task

pytestmark = pytest.mark.unit


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "trees.csv"
    path.write_text("height,species\n1,oak\n")
    return path


def refusal(text: str, max_bytes: int | None = None) -> str:
    with pytest.raises(DataError) as caught:
        specs.parse(text, max_bytes)
    assert caught.value.hint
    assert caught.value.exit_code == 2
    return f"{caught.value.what} {caught.value.hint}"


@pytest.mark.parametrize("name", catalog.names())
def test_a_built_in_name_needs_no_file(name):
    spec = specs.parse(name)
    assert (spec.source, spec.files) == (BuiltinSource(name=name), ())


def test_a_csv_file_goes_to_the_room_under_a_fixed_name(csv):
    spec = specs.parse(f"csv:{csv}#target=species")
    assert spec.source == CsvSource(target="species")
    assert spec.files == ((paths.CSV, csv),)
    assert spec.text == f"csv:{csv}#target=species"


@pytest.mark.parametrize("options", ["target=species&task=regression", "task=regression&target=species"])
def test_the_task_may_be_said_before_or_after_the_target(csv, options):
    assert specs.parse(f"csv:{csv}#{options}").source == CsvSource(target="species", task=Task.REGRESSION)


@pytest.mark.parametrize(
    ("written", "meant"), [("a%26b", "a&b"), ("caf%C3%A9", "café"), ("100%", "100%"), ("a=b", "a=b"), ("a b", "a b")]
)
def test_option_values_are_percent_decoded(csv, written, meant):
    assert specs.parse(f"csv:{csv}#target={written}").source == CsvSource(target=meant)


@pytest.mark.parametrize("name", ["a#b.csv", "a#target=x.csv", "a#c=d.csv"])
def test_a_path_may_hold_a_hash(tmp_path, name):
    (tmp_path / name).write_text("x\n")
    spec = specs.parse(f"csv:{tmp_path / name}#target=y")
    assert spec.files[0][1].name == name
    assert spec.source == CsvSource(target="y")


def test_paths_are_relative_to_the_working_directory(csv, monkeypatch):
    monkeypatch.chdir(csv.parent)
    assert specs.parse("csv:trees.csv#target=species").files[0][1] == csv


def test_a_tilde_is_the_home_directory(csv, monkeypatch):
    monkeypatch.setenv("HOME", str(csv.parent))
    assert specs.parse("csv:~/trees.csv#target=species").files[0][1] == csv


def test_new_rows_need_no_target_but_may_have_one(csv):
    assert specs.for_new_rows(f"csv:{csv}").source == CsvSource(target=tables.NO_TARGET)
    assert specs.for_new_rows(f"csv:{csv}#target=species").source == CsvSource(target="species")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for scheme in tables.SCHEMES:
        (tmp_path / f"a.{scheme.name}").write_bytes(b"something")
    return tmp_path


def test_every_kind_of_file_has_its_options(files):
    assert specs.parse(f"parquet:{files}/a.parquet#target=y&group=who").source == ParquetSource(target="y", group="who")
    assert specs.parse(f"csv:{files}/a.csv#target=y&time=day").source == CsvSource(target="y", time="day")
    assert specs.parse(f"npz:{files}/a.npz").source == NpzSource()
    assert specs.parse(f"npz:{files}/a.npz#inputs=a&target=b").source == NpzSource(inputs="a", target="b")
    source = specs.parse(f"jsonl:{files}/a.jsonl#text=body&label=stars&task=regression&length=30").source
    assert source == JsonlSource(text="body", target="stars", task=Task.REGRESSION, length=30)


def test_new_rows_of_every_kind_need_no_option(files):
    for scheme in tables.SCHEMES:
        (name, path), *_ = specs.for_new_rows(f"{scheme.name}:{files}/a.{scheme.name}").files
        assert (name, path) == (f"data.{scheme.name}", files / f"a.{scheme.name}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("jsonl:{}/a.jsonl#label=y", "no key named to read"),
        ("jsonl:{}/a.jsonl#text=t", "no key named to predict"),
        ("jsonl:{}/a.jsonl#text=t&label=t", "the same key"),
        ("jsonl:{}/a.jsonl#text=t&label=y&length=0", "1 to 4096"),
        ("jsonl:{}/a.jsonl#text=t&label=y&length=-5", "1 to 4096"),
        ("jsonl:{}/a.jsonl#text=t&label=y&length=many", "1 to 4096"),
        ("csv:{}/a.csv#target=y&group=a&time=b", "Give one of them"),
        ("csv:{}/a.csv#target=y&group=y", "read or predicted"),
        ("parquet:{}/a.parquet", "no column named to predict"),
        ("npz:{}/a.npz#group=a", "Options are: inputs, target, task"),
        ("a.jsonl", "jsonl:PATH#text=KEY&label=KEY"),
        ("npz:{}/b.npz", "There is no file"),
    ],
)
def test_options_that_make_no_sense_are_refused(files, text, words):
    assert words in refusal(text.format(files))


@pytest.mark.parametrize("text", ["", "   "])
def test_an_empty_specification_says_what_there_is(text):
    message = refusal(text)
    assert "digits" in message
    assert "csv:PATH#target=COLUMN" in message


@pytest.mark.parametrize(
    ("wrong", "nearest"), [("digit", "digits"), ("Breast-Cancer", "breast_cancer"), ("wines", "wine")]
)
def test_an_unknown_name_lists_what_exists_with_the_nearest_first(wrong, nearest):
    message = refusal(wrong)
    assert f"There are: {nearest}, " in message
    assert all(name in message for name in catalog.names())


def test_a_bare_file_name_is_told_how_to_be_written():
    assert "For a file, write csv:PATH#target=COLUMN" in refusal("trees.csv#target=species")


@pytest.mark.parametrize("text", ["ftp:x", "h5:x.h5", "C:\\data.csv"])
def test_an_unknown_kind_lists_the_known_ones(text):
    assert "csv:PATH#target=COLUMN" in refusal(text)


@pytest.mark.parametrize("rest", ["", "#target=", "#task=regression", "#target=%20"])
def test_a_missing_target_is_named(csv, rest):
    assert "no column named to predict" in refusal(f"csv:{csv}{rest}")


def test_an_unknown_option_gets_a_suggestion(csv):
    assert "Did you mean task?" in refusal(f"csv:{csv}#target=species&tsak=regression")
    assert "Did you mean target?" in refusal(f"csv:{csv}#traget=species")
    assert "%26" in refusal(f"csv:{csv}#target=a&b")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("target=a&task=x", "task=classification or task=regression"),
        ("target=a&target=b", "given twice"),
        ("target=%ff", "not UTF-8"),
    ],
)
def test_bad_option_values_are_refused(csv, options, words):
    assert words in refusal(f"csv:{csv}#{options}")


def test_a_file_that_is_not_there_names_its_neighbours(csv):
    message = refusal(f"csv:{csv.parent / 'tree.csv'}#target=species")
    assert "There is no file" in message
    assert "trees.csv" in message


def test_a_directory_that_is_not_there_is_named(tmp_path):
    assert f"no directory {tmp_path / 'nowhere'}" in refusal(f"csv:{tmp_path / 'nowhere' / 'x.csv'}#target=y")


def test_directories_pipes_and_impossible_paths_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "is a directory" in refusal(f"csv:{tmp_path}#target=y")
    assert "not a regular file" in refusal(f"csv:{tmp_path / 'pipe'}#target=y")
    assert "names no file" in refusal("csv:#target=y")
    assert "cannot be read" in refusal(f"csv:{'n' * 5000}#target=y")
    assert "cannot be read" in refusal("csv:a\0b#target=y")
    assert "no home directory" in refusal("csv:~nobody-of-that-name/x.csv#target=y")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_a_file_that_may_not_be_read_is_said_to_be_so(open_folder):
    path = open_folder / "secret.csv"
    path.write_text("x\n")
    path.chmod(0)
    user = os.geteuid()
    os.seteuid(65534 if user == 0 else user)
    try:
        message = refusal(f"csv:{path}#target=y")
    finally:
        os.seteuid(user)
    assert "may not be read by you" in message


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "x.csv").touch()
    assert "is empty" in refusal(f"csv:{tmp_path / 'x.csv'}#target=y")


def test_a_file_over_the_cap_is_refused_with_both_sizes(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"x" * 3_000_000)
    message = refusal(f"csv:{tmp_path / 'x.csv'}#target=y", max_bytes=2 * 2**20)
    assert "2.9 MiB" in message
    assert "2.0 MiB" in message
    assert specs.parse(f"csv:{tmp_path / 'x.csv'}#target=y", max_bytes=3_000_000).files


def test_what_a_user_wrote_is_shown_printably():
    assert refusal("di\x1b[31mgits\u202e").isprintable()
