"""``audit`` and ``replay`` tell by exit code what directory they were given, and hostile text stays harmless."""

import os

import pytest
from commands import fumehood

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("command", [("audit",), ("replay", "--iteration", "1")], ids=" ".join)
@pytest.mark.parametrize("name", ["empty", "absent", "file", "fifo", "new\nline\x1b[2J"])
def test_what_is_no_run_directory_is_a_usage_error(tmp_path, command, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "fifo")
    done = fumehood(*command, str(tmp_path / name), "--json")
    assert (done.code, done.json["error"]["kind"]) == (2, "usage")
    assert "\x1b" not in done.out + done.err


def test_a_broken_journal_is_a_violation_for_people_and_programs(tmp_path):
    (tmp_path / "journal.jsonl").write_bytes(b'{"number":1}\n\x1b[2Jrubbish\n')
    done = fumehood("audit", str(tmp_path), "--json")
    assert (done.code, done.json["passed"], done.json["run_id"]) == (4, False, None)
    assert [f["what"] for f in done.json["findings"] if f["status"] == "differs"] == ["line 1", "line 2"]
    shown = fumehood("audit", str(tmp_path))
    assert (shown.code, shown.err) == (4, "")
    assert "line 1, line 2: is not a journal entry" in shown.out
    assert "\x1b" not in shown.out


@pytest.mark.parametrize("number", ["0", "-1", "x", ""])
def test_an_iteration_that_is_no_number_from_one_on_is_a_usage_error(tmp_path, number):
    assert fumehood("replay", str(tmp_path), "--iteration", number).code == 2


def test_a_key_that_others_can_read_stops_an_audit(tmp_path):
    (tmp_path / "key").write_bytes(bytes(32))
    (tmp_path / "key").chmod(0o644)
    (tmp_path / "journal.jsonl").touch()
    done = fumehood("audit", str(tmp_path), FUMEHOOD_AUDIT_KEY=str(tmp_path / "key"))
    assert done.code == 2
    assert "others can reach it" in done.err
