"""``fumehood memory``: what is stored, found, shown, carried and forgotten from the command line."""

import json
import os
import pty
import subprocess
import sys

import pytest
from commands import fumehood

from fakes.insights import failure, insight, result
from fumehood.memory.store import MemoryStore

pytestmark = [pytest.mark.memory, pytest.mark.unit]


@pytest.fixture
def places(tmp_path):
    return {"XDG_DATA_HOME": str(tmp_path / "data"), "MEMORI_DATABASE__CONNECTION_STRING": f"{tmp_path}/memory.db"}


@pytest.fixture
def filled(places):
    given = [insight("Dropout hurts on small tables.", id="ab" * 16), result(id="cd" * 16), failure(id="ef" * 16)]
    with MemoryStore.open(places["MEMORI_DATABASE__CONNECTION_STRING"]) as store:
        store.add(given)
    return given


def test_a_note_is_added_found_shown_and_forgotten(places):
    added = fumehood("memory", "add", "Dropout", "hurts.", "--importance", "0.9", "--json", **places).json
    listed = fumehood("memory", "list", **places)
    assert listed.out.split("\t")[:3] == [added["id"][:12], "note", "0.90"]
    assert listed.out.endswith("\tDropout hurts.\n")
    found = fumehood("memory", "search", "dropout", **places).out
    assert "its text fits" in found
    shown = fumehood("memory", "show", added["id"][:6], **places).out
    assert f"id          {added['id']}" in shown
    assert fumehood("memory", "forget", added["id"][:6], **places).err == "1 insight forgotten\n"
    empty = fumehood("memory", "list", **places)
    assert (empty.code, empty.out, empty.err) == (0, "", "No insight is stored here.\n")


def test_everything_that_is_known_of_an_insight_is_shown(places, filled):
    shown = fumehood("memory", "show", "cd", **places).out
    for words in ("run-1", "digits: image classification", "accuracy 0.95 [0.94, 0.96], seeds: 3", '{"width": 32}'):
        assert words in shown


def test_programs_get_one_document(places, filled):
    listed = fumehood("memory", "list", "--json", **places).json
    assert [one["id"] for one in listed["insights"]] == [one.id for one in reversed(filled)]
    assert listed["namespace"] == "default"
    assert listed["database"] == places["MEMORI_DATABASE__CONNECTION_STRING"]
    only = fumehood("memory", "list", "--kind", "failure", "--limit", "1", "--json", **places).json
    assert [one["kind"] for one in only["insights"]] == ["failure"]
    found = fumehood("memory", "search", "dropout tables", "--json", **places).json["found"]
    assert found[0]["insight"]["id"] == "ab" * 16
    assert set(found[0]) == {"insight", "score", "reason"}
    assert fumehood("memory", "show", "cd", "--json", **places).json["insight"] == filled[1].model_dump(mode="json")
    stats = fumehood("memory", "stats", "--json", **places).json
    assert (stats["total"], stats["kinds"]["result"], stats["runs"]) == (3, 1, 1)
    assert fumehood("memory", "forget", "--run", "run-1", "--json", **places).json["forgotten"] == 2


def test_insights_go_from_one_database_to_another(places, filled, tmp_path):
    out = str(tmp_path / "out.jsonl")
    assert fumehood("memory", "export", out, **places).err == f"3 insights written to {out}\n"
    other = ("--memory-db", str(tmp_path / "other.db"), "--memory-namespace", "copy")
    assert fumehood("memory", "import", out, *other, **places).err == "3 insights read, 3 of them new\n"
    assert fumehood("memory", "import", out, *other, "--json", **places).json["new"] == 0
    assert fumehood("memory", "stats", "--memory-db", str(tmp_path / "other.db"), "--json", **places).json["total"] == 0
    again = fumehood("memory", "export", out, **places)
    assert (again.code, "cannot be written" in again.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("forget",), "nothing was said about what to forget"),
        (("forget", "--all"), "would be deleted"),
        (("forget", "--all", "--yes", "--kind", "note"), "--all goes with no other choice"),
        (("forget", "0123"), "no insight has an id"),
        (("show", "zz"), "is no id of an insight"),
        (("show", ""), "is no id of an insight"),
        (("list", "--kind", "rumour"), "'rumour' is not one of"),
        (("list", "--limit", "0"), "0 is not in the range"),
        (("list", "--memory-namespace", "A B"), "namespace cannot be"),
        (("list", "--memory-db", "oracle://u:s3cr3t@h/x"), "kind 'oracle'"),
        (("import", "/nonexistent"), "cannot be read"),
        (("add", " "), "an insight without words"),
        (("search",), "Missing argument"),
    ],
    ids=lambda it: " ".join(it) if isinstance(it, tuple) else "",
)
def test_what_cannot_be_meant_ends_with_two_and_changes_nothing(places, filled, arguments, said):
    done = fumehood("memory", *arguments, **places)
    assert (done.code, said in done.err) == (2, True), done
    assert "s3cr3t" not in done.err
    assert fumehood("memory", "stats", "--json", **places).json["total"] == 3


def test_a_database_that_cannot_be_used_ends_with_six_and_says_what_to_do(places, tmp_path):
    (tmp_path / "broken.db").write_bytes(b"no database at all" * 1000)
    done = fumehood("memory", "list", "--memory-db", str(tmp_path / "broken.db"), "--json", **places)
    assert done.code == 6
    assert done.json["error"]["kind"] == "memory"
    assert "it is damaged" in done.json["error"]["message"]
    assert "move the file away" in done.err


def test_forgetting_everything_needs_a_yes(places, filled):
    assert fumehood("memory", "forget", "--all", "--yes", **places).err == "3 insights forgotten\n"
    assert fumehood("memory", "stats", "--json", **places).json["total"] == 0


def test_a_text_that_paints_over_a_terminal_is_shown_harmless(places):
    with MemoryStore.open(places["MEMORI_DATABASE__CONNECTION_STRING"]) as store:
        store.add([insight("x", id="ab" * 16, details={"cause": "\x1b[2J\x07 [bold]red[/bold] \u202e"})])
    done = fumehood("memory", "show", "ab", **places)
    assert not {"\x1b", "\x07", "\u202e"} & set(done.out)
    assert fumehood("memory", "show", "ab", "--json", **places).json["insight"]["details"]["cause"].startswith("\x1b")


def on_a_terminal(arguments, environment, typed=b""):
    """Exit code and what a terminal shows."""
    code = "from fumehood.cli import main; main()"
    leader, follower = pty.openpty()
    paths = os.pathsep.join(path for path in sys.path if path)
    child = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env={**os.environ, "PYTHONPATH": paths, "TERM": "xterm", "COLUMNS": "100", **environment},
    )
    os.close(follower)
    os.write(leader, typed)
    shown = b""
    while True:
        try:
            piece = os.read(leader, 4096)
        except OSError:  # the end, as a terminal tells it
            break
        if not piece:
            break
        shown += piece
    os.close(leader)
    return child.wait(60), shown.decode()


def test_on_a_terminal_there_is_a_table(places, filled):
    code, shown = on_a_terminal(["memory", "list"], places)
    assert code == 0
    assert "importance" in shown
    assert "\t" not in shown


@pytest.mark.parametrize(("typed", "code", "left"), [(b"n\n", 130, 3), (b"y\n", 0, 0)])
def test_on_a_terminal_forgetting_everything_is_asked_about(places, filled, typed, code, left):
    done, shown = on_a_terminal(["memory", "forget", "--all"], places, typed)
    assert "Delete all insights of the namespace default for good?" in shown
    assert done == code
    assert fumehood("memory", "stats", "--json", **places).json["total"] == left


@pytest.mark.parametrize("flag", [(), ("--json",)])
def test_the_documents_are_json_and_humans_text_goes_elsewhere(places, filled, flag):
    done = fumehood("memory", "stats", *flag, **places)
    assert done.err == ""
    if flag:
        assert json.loads(done.out)["schema_version"] == 1
