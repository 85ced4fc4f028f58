"""Candidate files that cannot be used: what is wrong with them, exit code 2, and no engine needed to know."""

import os
from pathlib import Path

import pytest

from cli.commands import fumehood
from fumehood import candidate
from fumehood.errors import UsageError

pytestmark = pytest.mark.unit

KB = 1024


def empty(path: Path) -> None:
    path.write_bytes(b"")


def blank(path: Path) -> None:
    path.write_bytes(b" \n\t\n")


def too_large(path: Path) -> None:
    path.write_bytes(b"#" * (300 * KB))


def one_byte_too_large(path: Path) -> None:
    path.write_bytes(b"#" * (256 * KB + 1))


def latin(path: Path) -> None:
    path.write_bytes("x = 1\n# caf\u00e9\n".encode("latin-1"))


def directory(path: Path) -> None:
    path.mkdir()


def link(path: Path) -> None:
    path.with_name("real.py").write_text("x = 1\n")
    path.symlink_to("real.py")


def dangling_link(path: Path) -> None:
    path.symlink_to("nothing.py")


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def fifo(path: Path) -> None:
    os.mkfifo(path)


def nothing(path: Path) -> None:
    pass


BAD = {
    empty: "it is empty",
    blank: "it is empty",
    too_large: "larger than 256 KB",
    one_byte_too_large: "larger than 256 KB",
    latin: "line 2 is not UTF-8",
    directory: "is a directory",
    link: "is a symbolic link",
    dangling_link: "is a symbolic link",
    loop: "is a symbolic link",
    fifo: "not a regular file",
    nothing: "No such file",
}


@pytest.mark.parametrize("make", BAD, ids=lambda make: make.__name__.replace("_", " "))
def test_a_file_that_is_no_candidate_is_refused_with_the_reason(tmp_path: Path, make) -> None:
    path = tmp_path / "model.py"
    make(path)
    done = fumehood("check", str(path), "--data", "iris", "--json", DOCKER_HOST=f"unix://{tmp_path}/nobody.sock")
    assert (done.code, done.json["error"]["kind"]) == (2, "usage")
    assert BAD[make] in done.json["error"]["message"]
    assert BAD[make] in done.err
    assert done.json["error"]["hint"]
    assert "Traceback" not in done.err


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.py"
    path.write_text("x = 1\n")
    path.chmod(0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        with pytest.raises(UsageError, match="Permission denied"):
            candidate.read(path)
    finally:
        if root:
            os.seteuid(0)


def test_the_largest_candidate_is_taken_byte_for_byte(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbfx = 1\r\n" + b"#" * (256 * KB - 10)
    (tmp_path / "model.py").write_bytes(content)
    assert candidate.read(tmp_path / "model.py").content == content


def test_a_path_below_the_working_directory_is_told_relative_to_it(write: Path, tmp_path: Path) -> None:
    (write / "a").mkdir()
    for path in (write / "a" / "model.py", tmp_path / "outside.py"):
        path.write_text("x = 1\n")
    assert candidate.read(write / "a" / "model.py").path == "a/model.py"
    assert candidate.read(Path("a/../a/model.py")).path == "a/model.py"
    assert candidate.read(tmp_path / "outside.py").path == str(tmp_path / "outside.py")


USAGE = {
    "no data": ((), "--data"),
    "unknown data": (("--data", "irises"), "There are: iris, "),
    "unknown policy": (("--data", "iris", "--policy", "lax"), "shipped policies: "),
    "unknown metric": (("--data", "iris", "--metric", "beauty"), "beauty"),
    "metric of another task": (("--data", "iris", "--metric", "rmse"), "rmse"),
    "minimum out of range": (("--data", "iris", "--min-score", "150"), "out of the range"),
    "minimum that is no number": (("--data", "iris", "--min-score", "nan"), "nan"),
    "unknown format": (("--data", "iris", "--format", "xml"), "xml"),
    "two formats": (("--data", "iris", "--format", "sarif"), "exclude each other"),
    "no seeds": (("--data", "iris", "--num-seeds", "0"), "--num-seeds"),
    "no time": (("--data", "iris", "--timeout", "0"), "--timeout"),
    "output in no folder": (("--data", "iris", "--output", "no/where.json"), "--output no/where.json"),
    "output that is a folder": (("--data", "iris", "--output", "."), "--output"),
    "folder that is not empty": (("--data", "iris", "--workdir", "."), "not an empty directory"),
    "folder below a file": (("--data", "iris", "--workdir", "model.py/x"), "--workdir"),
    "data in no encoding": (("--data", "csv:\udcff.csv#target=y"), "not valid Unicode"),
}


@pytest.mark.parametrize("arguments", USAGE.values(), ids=USAGE.keys())
def test_options_that_cannot_be_used_are_refused_before_an_engine_is_asked(write: Path, arguments) -> None:
    given, words = arguments
    (write / "model.py").write_text("x = 1\n")
    done = fumehood("check", "model.py", *given, "--json", DOCKER_HOST="unix:///nobody.sock")
    assert (done.code, done.json["exit_code"]) == (2, 2)
    assert words in done.json["error"]["message"] + done.json["error"]["hint"]
    assert [path.name for path in write.iterdir()] == ["model.py"]


@pytest.mark.parametrize("said", [("--format", "json"), ("--format=json",), ("--json",)], ids=" ".join)
def test_however_json_was_asked_for_a_failure_is_json_too(said) -> None:
    assert fumehood("check", "nothing.py", "--data", "iris", *said).json["exit_code"] == 2
    assert fumehood("check", "nothing.py", "--data", "iris", "--format", "sarif").out == ""
