"""Insights are in the run's folder before a database is asked, and can be imported from there."""

import pytest

from fakes.insights import insight, result
from fumehood.errors import MemoryTroubleError
from fumehood.memory.keeping import keep
from fumehood.memory.store import MemoryStore

pytestmark = [pytest.mark.memory, pytest.mark.unit]


def test_what_is_kept_is_in_the_file_and_in_the_database(store, tmp_path):
    given = [insight("a"), result()]
    kept = keep(store, given, tmp_path)
    assert (kept.insights, kept.new, kept.trouble) == (2, 2, None)
    assert keep(store, given, tmp_path).new == 0
    with MemoryStore.open(str(tmp_path / "other.db")) as other:
        assert other.import_(kept.file).new == 2
        assert other.all() == store.all()


def test_an_address_will_do(tmp_path):
    assert keep(str(tmp_path / "new.db"), [insight()], tmp_path).new == 1
    assert keep(None, [insight()], tmp_path, "other").new == 1


def test_a_database_that_fails_costs_nothing_but_itself(tmp_path, file):
    kept = keep("postgresql://u:secret@127.0.0.1:1/x", [insight("kept")], tmp_path)
    assert isinstance(kept.trouble, MemoryTroubleError)
    assert (kept.insights, kept.new) == (1, 0)
    with MemoryStore.open(str(file)) as store:
        assert store.import_(kept.file).new == 1
        assert store.all()[0].text == "kept"


def test_nothing_to_keep_is_an_empty_file(store, tmp_path):
    assert keep(store, [], tmp_path).file.read_text() == ""
    assert store.import_(tmp_path / "insights.jsonl").read == 0
