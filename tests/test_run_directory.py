"""A run directory is taken only if it is empty, held by one process, and left as the user asked."""

import os
import stat
import subprocess
import sys

import pytest

from fumehood.errors import UsageError
from fumehood.run_directory import RunDirectory, sync, write_text

pytestmark = pytest.mark.unit


@pytest.fixture
def run(tmp_path):
    return RunDirectory.create(tmp_path / "run")


def test_a_new_run_has_its_folders_and_a_private_one(run):
    assert sorted(p.name for p in run.path.iterdir()) == ["experiments", "iterations", "logs", "reports", "sealed"]
    assert stat.S_IMODE(run.sealed.stat().st_mode) == 0o700


def test_parents_are_made_and_the_path_is_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = RunDirectory.create(tmp_path.relative_to(tmp_path) / "a" / "b")
    assert run.path == tmp_path / "a" / "b"


def test_an_empty_directory_is_taken_and_a_full_one_is_not(tmp_path):
    (tmp_path / "empty").mkdir()
    RunDirectory.create(tmp_path / "empty")
    with pytest.raises(UsageError, match="not an empty directory") as caught:
        RunDirectory.create(tmp_path / "empty")
    assert f"fumehood resume {tmp_path / 'empty'}" in caught.value.hint


@pytest.mark.parametrize("name", ["file", "file/below", "broken-link", "x" * 300])
def test_a_place_that_cannot_be_a_directory_is_refused(tmp_path, name):
    (tmp_path / "file").write_text("x")
    (tmp_path / "broken-link").symlink_to(tmp_path / "nowhere" / "at all")
    with pytest.raises(UsageError):
        RunDirectory.create(tmp_path / name)
    assert (tmp_path / "file").read_text() == "x"


@pytest.mark.parametrize("make", [lambda p: None, lambda p: p.mkdir(), lambda p: p.write_text("x")])
def test_what_is_no_run_is_not_opened(tmp_path, make):
    make(tmp_path / "x")
    with pytest.raises(UsageError, match="not a run directory"):
        RunDirectory.open(tmp_path / "x")


def test_a_run_is_opened_again(run):
    run.journal.touch()
    assert RunDirectory.open(run.path) == run


def test_a_second_hold_is_refused_until_the_first_ends(run):
    with run.locked(), pytest.raises(UsageError, match="another process is working"), run.locked():
        pass
    with run.locked():
        pass


def test_the_hold_ends_with_an_error_too(run):
    kept = run.locked()
    with pytest.raises(ZeroDivisionError), kept:
        raise ZeroDivisionError
    with run.locked():
        pass


def test_another_process_cannot_take_a_run_that_is_held(run):
    code = "import sys; from pathlib import Path; from fumehood.run_directory import RunDirectory\n"
    code += "from fumehood.errors import UsageError\n"
    code += "try:\n  with RunDirectory(Path(sys.argv[1])).locked(): print('taken')\n"
    code += "except UsageError as error: print(error.what)"
    command = [sys.executable, "-c", code, str(run.path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    def ask():
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout

    with run.locked():
        assert "another process is working" in ask()
    assert ask() == "taken\n"


def test_a_fresh_folder_forgets_an_interrupted_attempt(run):
    folder = run.fresh(run.iteration(3) / "weights")
    (folder / "half").write_text("x")
    assert list(run.fresh(folder).iterdir()) == []
    assert folder == run.path / "iterations" / "003" / "weights"


def test_the_winner_is_where_users_look_for_it(run):
    for number in (1, 2):
        folder = run.fresh(run.again(number) / "weights")
        (folder / f"seed-{number}.safetensors").write_bytes(b"w")
        (run.iteration(number) / "model.py").write_text(f"# {number}")
        run.keep_winner(number)
    assert run.winner_source.read_text() == "# 2"
    assert [p.name for p in run.winner_weights.iterdir()] == ["seed-2.safetensors"]


def test_dropping_weights_keeps_the_rest_of_an_iteration(run):
    run.fresh(run.iteration(1) / "weights")
    (run.iteration(1) / "model.py").write_text("x")
    run.drop_weights(1)
    run.drop_weights(1)
    assert [p.name for p in run.iteration(1).iterdir()] == ["model.py"]


def test_no_keep_leaves_reports_journal_and_winner(run):
    run.journal.touch()
    (run.sealed / "labels").write_text("x")
    run.fresh(run.again(1) / "weights")
    (run.iteration(1) / "model.py").write_text("x")
    run.keep_winner(1)
    run.keep_results_only()
    kept = sorted(p.name for p in run.path.iterdir())
    assert kept == ["experiments", "journal.jsonl", "logs", "reports", "src", "weights"]


def test_text_is_replaced_whole(run):
    path = run.reports / "a.md"
    write_text(path, "first é")
    write_text(path, "second")
    assert path.read_text() == "second"
    assert [p.name for p in run.reports.iterdir()] == ["a.md"]


def test_a_write_that_fails_leaves_the_old_text(run):
    path = run.reports / "a.md"
    write_text(path, "first")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "\ud800")
    assert path.read_text() == "first"


def test_a_whole_tree_can_be_flushed(run):
    write_text(run.reports / "a.md", "x")
    sync(run.path)
