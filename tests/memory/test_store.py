"""The memory on SQLite: what is stored is found, once, and what is forgotten is gone from the disk."""

import json
import os
import sqlite3
import stat

import pytest

from fakes.insights import TABLE, data, evidence, failure, insight, pattern, result
from fumehood.errors import UsageError
from fumehood.memory.schema import FOLDER, HEAD, VERSION_TABLE, ensure, version
from fumehood.memory.store import MemoryStore, Query
from fumehood.records import Phase
from fumehood.records.insight import Kind

pytestmark = pytest.mark.memory


def test_what_is_stored_comes_back_unchanged(store):
    given = [insight("A note."), result(), pattern(), failure(), insight("Kept it.", kind=Kind.DECISION, data=TABLE)]
    assert store.add(given) == 5
    assert list(store.all()) == given
    assert [store.get(one.id) for one in given] == given


def test_storing_again_changes_nothing(store):
    one = insight("first words")
    assert store.add([one, one]) == 1
    assert store.add([one.model_copy(update={"text": "other words"})]) == 0
    assert [each.text for each in store.all()] == ["first words"]


def test_texts_that_differ_in_signs_alone_stay_apart(store):
    assert store.add([insight("lr=1e-3"), insight("lr=1e3"), insight("LR = 1e3!")]) == 3
    assert [one.text for one in store.all()] == ["lr=1e-3", "lr=1e3", "LR = 1e3!"]
    assert {one.insight.text for one in store.search("lr 1e3")} >= {"lr=1e3"}


def test_the_same_text_twice_is_two_insights(store):
    assert store.add([insight("the same"), insight("the same")]) == 2
    assert len(store.all()) == 2


def test_any_text_can_be_stored(store):
    hostile = "a\x00b \x1b[31m ' ; DROP TABLE fumehood_insight -- %s {} grüße 😀 " + "x" * 3000
    one = insight(hostile, run_id="run\x00", details={"cause": "\x00 \ud800", "deep": [{"a": None}]})
    store.add([one])
    (found,) = store.all()
    assert found.text.startswith("a\N{REPLACEMENT CHARACTER}b")
    assert "DROP TABLE" in found.text
    assert found.details == {"cause": "\x00 ?", "deep": [{"a": None}]}
    assert not {"\x00", "\x1b"} & set(found.text + (found.run_id or ""))


@pytest.mark.parametrize("details", [{"a": float("nan")}, {"a": object()}, {"a": {1, 2}}], ids=range(3))
def test_details_that_no_file_could_hold_are_refused(store, details):
    with pytest.raises(UsageError, match="details"):
        store.add([insight(details=details)])


def test_another_opening_sees_what_was_stored_and_a_namespace_nothing_of_another(file, store):
    store.add([insight("mine")])
    with MemoryStore.open(str(file)) as again, MemoryStore.open(str(file), "other") as other:
        assert [one.text for one in again.all()] == ["mine"]
        assert other.all() == ()
        assert other.search("mine") == ()
        other.add([*store.all()])
        assert other.forget(everything=True) == 1
    assert len(store.all()) == 1


@pytest.mark.parametrize("name", ["", "Mine", "a b", "../x", "x" * 101, "ä", "-x"])
def test_a_namespace_that_some_database_could_confuse_is_refused(file, name):
    with pytest.raises(UsageError, match="namespace"):
        MemoryStore.open(str(file), name)


def test_the_default_is_a_file_in_a_folder_of_the_users_own(tmp_path):
    with MemoryStore.open(None) as store:
        store.add([insight()])
    folder = tmp_path / "data" / "fumehood" / "memory"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (folder / "memori.db").is_file()


def test_the_environment_names_a_database(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMORI_DATABASE__CONNECTION_STRING", f"sqlite:///{tmp_path}/named.db")
    with MemoryStore.open(None) as store:
        store.add([insight()])
    assert (tmp_path / "named.db").is_file()
    assert os.environ["MEMORI_DATABASE__CONNECTION_STRING"].endswith("named.db")


def test_sqlite_is_set_up_for_many_processes(store, file):
    with sqlite3.connect(file) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    with store._engine.connect() as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("busy_timeout", "foreign_keys", "secure_delete")
        }
    assert settings == {"busy_timeout": 5000, "foreign_keys": 1, "secure_delete": 1}


def test_facts_and_what_they_mean_lie_in_two_tables_of_one_database(store, file):
    one = insight("where things lie", kind=Kind.RESULT, data=data(), evidence=(evidence(),), details={"family": "cnn"})
    store.add([one])
    with sqlite3.connect(file) as connection:
        ((content, vector),) = connection.execute("SELECT content, content_embedding FROM memori_entity_fact")
        connection.row_factory = sqlite3.Row
        (row,) = connection.execute("SELECT * FROM fumehood_insight")
    assert content == f"where things lie [insight {one.id}]"
    assert len(vector) == 4 * row["width"] == 4 * 512
    assert json.loads(row["evidence"])[0]["mean"] == 0.95
    assert json.loads(row["data"])["spec"] == "digits"
    assert row["embedder"].startswith("hashing")


# -- ids --


def test_the_beginning_of_an_id_is_enough_if_it_is_the_only_one(store):
    store.add([insight("one", id="ab" + "0" * 30), insight("two", id="ac" + "0" * 30)])
    assert store.get("AB").text == "one"
    for wrong in ("a", "ad", "", "%", "_b", "x" * 5, "a" * 33):
        with pytest.raises(UsageError):
            store.get(wrong)


# -- forgetting --


def of_the_disk(file):
    return b"".join(path.read_bytes() for path in file.parent.glob(f"{file.name}*"))


@pytest.mark.parametrize(
    ("how", "left"),
    [
        ({"ids": ["0" * 31 + "a"]}, {"result", "other run"}),
        ({"kind": Kind.NOTE}, {"result"}),
        ({"run": "run-9"}, {"note", "result"}),
        ({"everything": True}, set()),
        ({"kind": Kind.NOTE, "run": "run-9"}, {"note", "result"}),
    ],
)
def test_forgetting_deletes_what_it_names_and_nothing_else(store, how, left):
    store.add(
        [
            insight("note", id="0" * 31 + "a"),
            insight("result", kind=Kind.RESULT),
            insight("other run", run_id="run-9"),
        ]
    )
    store.search("note")
    assert store.forget(**how) == 3 - len(left)
    assert {one.text for one in store.all()} == left
    assert {one.insight.text for one in store.search("note result other run", 10)} <= left


def test_what_is_forgotten_is_gone_from_every_table_and_from_the_disk(store, file):
    store.add([insight("xyzzy plugh", details={"secret": "quux"}), insight("stays")])
    assert b"xyzzy" in of_the_disk(file)
    store.forget(ids=[one.id for one in store.all() if "xyzzy" in one.text])
    with sqlite3.connect(file) as connection:
        assert connection.execute("SELECT COUNT(*) FROM memori_entity_fact").fetchone() == (1,)
        assert connection.execute("SELECT COUNT(*) FROM fumehood_insight").fetchone() == (1,)
    assert b"xyzzy" not in of_the_disk(file)
    assert b"quux" not in of_the_disk(file)


def test_forgetting_needs_to_be_told_what(store):
    with pytest.raises(UsageError, match="nothing was said"):
        store.forget()


# -- files --


def test_an_export_is_imported_with_all_that_it_came_from(store, tmp_path):
    given = [result(), failure(), insight("grüße 😀")]
    store.add(given)
    assert store.export(tmp_path / "out.jsonl") == 3
    assert (tmp_path / "out.jsonl").read_bytes().isascii()
    with MemoryStore.open(str(tmp_path / "elsewhere.db")) as other:
        done = other.import_(tmp_path / "out.jsonl")
        assert (done.read, done.new) == (3, 3)
        assert list(other.all()) == list(store.all())
        again = other.import_(tmp_path / "out.jsonl")
        assert (again.read, again.new) == (3, 0)


@pytest.mark.parametrize(
    "bad",
    [
        "{",
        "[]",
        '{"id": "x"}',
        '{"id": "' + "a" * 32 + '", "surprise": 1}',
        "nonsense",
        '{"a":' * 5000,
        '{"id":"'
        + "a" * 32
        + '","kind":"note","text":"t","importance":NaN,"created_at":"2026-01-01","phase":"planning"}',
        '{"id":"' + "a" * 32 + '","kind":"note","text":"t","importance":1,"created_at":"noon","phase":"planning"}',
        '"' + "x" * 1_100_000 + '"',
    ],
    ids=range(9),
)
def test_a_bad_line_is_named_by_its_number_and_nothing_is_taken_in(store, tmp_path, bad):
    good = insight().model_dump_json()
    (tmp_path / "in.jsonl").write_text(f"{good}\n\n{bad}\n")
    with pytest.raises(UsageError, match="line 3 of "):
        store.import_(tmp_path / "in.jsonl")
    assert store.all() == ()


def test_a_file_that_is_none_is_refused(store, tmp_path):
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    for path in (tmp_path / "absent", tmp_path, tmp_path / "binary"):
        with pytest.raises(UsageError):
            store.import_(path)
    with pytest.raises(UsageError):
        store.export(tmp_path / "binary")
    assert (tmp_path / "binary").read_bytes() == bytes(range(256))


def test_the_figures_are_those_of_the_namespace(store):
    store.add([insight("a", run_id="r1"), result(run="r2"), result(run="r2", configuration="c2")])
    stats = store.stats()
    assert (stats.total, stats.kinds[Kind.NOTE], stats.kinds[Kind.RESULT], stats.runs) == (3, 1, 2, 2)
    assert stats.oldest == stats.newest == "2026-11-20T10:00:00+00:00"


# -- the schema --


def test_the_newest_migration_is_the_one_that_is_looked_for():
    from alembic.script import ScriptDirectory

    assert ScriptDirectory(str(FOLDER)).get_current_head() == HEAD


def test_the_migrations_make_the_table_that_the_program_uses(store):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from fumehood.memory.schema import METADATA

    def ours(item, name, kind, reflected, compared):
        return kind != "table" or name.startswith("fumehood_insight")

    options = {"version_table": VERSION_TABLE, "include_object": ours}
    with store._engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts=options), METADATA) == []


def test_opening_again_changes_nothing_and_a_newer_database_is_refused(store, file):
    store.add([insight()])
    ensure(store._engine, store._facts, store._address)
    assert version(store._engine) == HEAD
    with sqlite3.connect(file) as connection:
        connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(Exception, match="newer version of fumehood"):
        MemoryStore.open(str(file))


def test_a_question_without_a_word_still_finds_what_is_alike(store):
    store.add([result(), insight("elsewhere", data=TABLE)])
    found = store.recall(Query(data(), Phase.PLANNING, ""), 2)
    assert found[0].insight.kind is Kind.RESULT


@pytest.mark.parametrize("limit", [0, -1, 101])
def test_a_limit_that_makes_no_sense_is_refused(store, limit):
    with pytest.raises(UsageError):
        store.search("x", limit)
