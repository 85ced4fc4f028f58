"""Whatever is changed, cut, added or taken away in a run directory is named; whatever lies in it, nothing crashes."""

import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes.rooms import Killed, Rooms, begin, go, labels
from fumehood import chain, session
from fumehood.audit import Group, Status, audit
from fumehood.audit.files import Files
from fumehood.errors import UsageError
from fumehood.journal import fold, read
from fumehood.run_directory import RunDirectory
from fumehood.signing import SigningKey
from fumehood.tree import Tree

pytestmark = pytest.mark.unit
KEY = SigningKey(b"k" * 32)
UNCHECKED = (".lock", "logs/orchestrator.log")
"""Files that are no evidence of anything."""
often = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True, scope="module")
def _surroundings(tmp_path_factory):
    """No engine, no key, a ledger of the tests' own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.setenv("DOCKER_HOST", f"unix://{tmp_path_factory.mktemp('engine')}/none.sock")
        patch.delenv("FUMEHOOD_AUDIT_KEY", raising=False)
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished run; the fourth of its candidates wins."""
    targets = labels()
    directory = begin(tmp_path_factory.mktemp("audited") / "run", targets)
    go(directory, Rooms(targets, fail=(3,)))
    return directory.path


@pytest.fixture
def run(whole, tmp_path):
    """A copy to do something to."""
    return Path(shutil.copytree(whole, tmp_path / "copy"))


def evidence(folder):
    return sorted(
        name
        for path in folder.rglob("*")
        if path.is_file() and (name := path.relative_to(folder).as_posix()) not in UNCHECKED
    )


def differences(found):
    return {finding.what: finding.detail for finding in found.findings if finding.status is Status.DIFFERS}


def snapshot(folder):
    return {
        str(path): (path.lstat().st_mode, path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in [folder, *folder.rglob("*")]
    }


def lines_of(folder):
    return (folder / "journal.jsonl").read_bytes().splitlines(keepends=True)


def rewritten(folder, change, key=None):
    """Write the journal anew with a chain that holds; ``change`` gets kind and body of every line."""
    before, lines = None, []
    for entry in read(folder / "journal.jsonl"):
        body = json.loads(json.dumps(entry.body))
        if before is None:
            body.pop(chain.SIGNED_WITH, None)
            body |= {chain.SIGNED_WITH: key.name} if key else {}
        before = chain.follow(before, entry.kind, change(entry.kind, body) or body, key)
        lines.append(before.line() + b"\n")
    (folder / "journal.jsonl").write_bytes(b"".join(lines))


# ---- what is as it was ---------------------------------------------------------------------------------------------


def test_a_run_as_it_was_left_passes_and_nothing_is_written(run):
    before = snapshot(run)
    found = audit(run)
    assert differences(found) == {}
    assert snapshot(run) == before
    assert (found.finished, found.head) == (True, read(run / "journal.jsonl")[-1].hash)
    counts = {group: found.count(group, Status.SAME) for group in Group}
    assert counts == {
        Group.JOURNAL: 22, Group.SIGNATURES: 0, Group.POLICY: 2, Group.LIMITS: 11, Group.IMAGE: 0, Group.DATA: 8,
        Group.SOURCE: 5, Group.RECORDS: 12, Group.PREDICTIONS: 10, Group.WEIGHTS: 6, Group.SCORES: 7, Group.REPORTS: 10,
        Group.SEAL: 1, Group.QUESTIONS: 0,
    }  # fmt: skip


def test_what_could_not_be_checked_is_told_with_the_reason(run):
    unchecked = {f.group: f.detail for f in audit(run).findings if f.status is Status.NOT_CHECKED}
    assert set(unchecked) == {Group.SIGNATURES, Group.IMAGE, Group.WEIGHTS}
    assert "no engine" in unchecked[Group.IMAGE]
    assert "without a signing key" in unchecked[Group.SIGNATURES]
    assert "best candidate" in unchecked[Group.WEIGHTS]


def test_reports_written_again_are_the_same_bytes(run):
    before = {name: (run / name).read_bytes() for name in evidence(run)}
    session.look(run)
    assert {name: (run / name).read_bytes() for name in evidence(run)} == before


def test_a_run_without_its_intermediate_files_passes_and_says_what_is_gone(tmp_path):
    targets = labels()
    directory = begin(tmp_path / "run", targets, keep=False)
    go(directory, Rooms(targets))
    assert not directory.iterations.exists()
    found = audit(directory.path)
    assert differences(found) == {}
    gone = [finding for finding in found.findings if "--no-keep" in finding.detail]
    assert {finding.group for finding in gone} == {
        Group.SOURCE,
        Group.RECORDS,
        Group.PREDICTIONS,
        Group.WEIGHTS,
        Group.DATA,
    }
    assert found.count(Group.SOURCE, Status.SAME) == 1
    assert found.count(Group.WEIGHTS, Status.SAME) == 2


@pytest.mark.parametrize("lines", [1, 2, 3, 4, 6, 9, 13, 14])
def test_an_interrupted_run_passes_and_is_told_from_a_finished_one(tmp_path, lines):
    targets = labels()
    directory = begin(tmp_path / "run", targets)
    with pytest.raises(Killed):
        go(directory, Rooms(targets), lines_to_live=lines)
    found = audit(directory.path)
    assert differences(found) == {}
    assert not found.finished
    assert any("not finished" in finding.detail for finding in found.findings)


# ---- changed -------------------------------------------------------------------------------------------------------


@often
@given(st.data())
def test_a_flipped_byte_of_any_file_is_named(run, data):
    state = fold(read(run / "journal.jsonl"))
    digested = [name for name in evidence(run) if not name.startswith(("journal", "reports/", "experiments/"))]
    name = data.draw(st.sampled_from([name for name in digested if (run / name).stat().st_size]))
    content = (run / name).read_bytes()
    flipped = bytearray(content)
    flipped[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    (run / name).write_bytes(flipped)
    found = [f.what for f in Files(Tree(run), state, complete=True).check() if f.status is Status.DIFFERS]
    (run / name).write_bytes(content)
    assert found == [name]


def test_no_file_that_a_run_leaves_can_grow_or_vanish_unseen(run):
    """But for the lock and the log, which prove nothing; without its registry no report says where it is from."""
    names = set(evidence(run)) - {"journal.jsonl"}
    content = {name: (run / name).read_bytes() for name in names}
    for name in names:
        (run / name).write_bytes(content[name] + b"x")
    assert names - set(differences(audit(run))) == set()
    for name in names - {"experiments/registry.json"}:
        (run / name).unlink()
    assert names - set(differences(audit(run))) == set()
    (run / "experiments" / "registry.json").unlink()
    assert "experiments/registry.json" in differences(audit(run))


@pytest.mark.parametrize("name", ["iterations/001/model.py", "sealed/test_targets.bin", "experiments/registry.json"])
@pytest.mark.parametrize("kind", ["link", "folder link", "fifo", "folder", "sparse", "nothing"])
def test_what_stands_in_a_files_place_is_named_and_not_touched(run, name, kind):
    path = run / name
    if kind == "folder link":
        path.parent.rename(run.parent / "elsewhere")
        path.parent.symlink_to(run.parent / "elsewhere")
    else:
        content = path.read_bytes()
        path.unlink()
        if kind == "link":
            (run.parent / "same").write_bytes(content)
            path.symlink_to(run.parent / "same")
        elif kind == "fifo":
            os.mkfifo(path)
        elif kind == "folder":
            path.mkdir()
        elif kind == "sparse":
            with path.open("wb") as file:
                file.truncate(2**42)
    assert name in differences(audit(run))


# ---- the journal ---------------------------------------------------------------------------------------------------


def test_a_changed_line_is_named_and_the_rest_is_still_checked(run):
    path = run / "journal.jsonl"
    lines = lines_of(run)
    lines[8] = lines[8].replace(b'"seed":1', b'"seed":7')
    path.write_bytes(b"".join(lines))
    (run / "sealed" / "test_inputs.bin").write_bytes(b"")
    found = audit(run)
    assert set(differences(found)) == {"line 9", "sealed/test_inputs.bin"}
    assert found.count(Group.SOURCE, Status.SAME) == 2
    assert any("broken from line 9 on" in finding.detail for finding in found.findings)


@often
@given(st.integers(0, 19), st.floats(0, 1))
def test_a_journal_cut_anywhere_is_named(whole, run, kept, part):
    """Whole lines and a part of the next one are left of it."""
    lines = lines_of(whole)
    torn = lines[kept][: int(part * (len(lines[kept]) - 1))]
    (run / "journal.jsonl").write_bytes(b"".join(lines[:kept]) + torn)
    found = differences(audit(run))
    assert found
    if kept > 2:
        assert "cut at its end" in found["experiments/registry.json"]


def test_lines_after_the_end_are_named(run):
    with (run / "journal.jsonl").open("ab") as file:
        last = read(run / "journal.jsonl")[-1]
        file.write(chain.follow(last, "resumed", {}, None).line() + b"\ntorn")
    found = differences(audit(run))
    assert found[f"line {last.number + 1}"] == "comes after the line that ends the run"
    assert "4 bytes after" in found["journal.jsonl"]


def test_a_cut_without_a_trace_in_the_directory_is_known_to_ledger_and_noted_head(run, monkeypatch, tmp_path):
    """Somebody took away what came later: reports, later iterations, the sealed predictions, the winner."""
    head = read(run / "journal.jsonl")[-1].hash
    entries = read(run / "journal.jsonl")
    first = next(entry.number for entry in entries if entry.kind == "decided")
    (run / "journal.jsonl").write_bytes(b"".join(lines_of(run)[:first]))
    for name in ("reports", "experiments", "iterations/002", "iterations/003", "iterations/004", "sealed/final"):
        shutil.rmtree(run / name)
    state = fold(read(run / "journal.jsonl"))
    weights = run / "iterations" / "001" / "weights"
    weights.mkdir()
    for seed in state.run.iterations[0].envelope.seeds:
        (weights / f"seed-{seed.seed}.safetensors").write_bytes(b"weights of %d" % seed.seed)
    assert set(differences(audit(run))) == {"ledger"}
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another user"))
    assert differences(audit(run)) == {}, "the control: nothing else knows"
    assert "cut before it" in differences(audit(run, head))["noted head"]
    assert differences(audit(run, entries[first - 1].hash)) == {}


def test_an_iteration_that_no_line_speaks_of_is_named(run):
    shutil.copytree(run / "iterations" / "004", run / "iterations" / "005")
    (run / "iterations" / os.fsdecode(b"\xff\x1b[31m")).mkdir()
    found = [f for f in audit(run).findings if f.status is Status.DIFFERS]
    assert len(found) == 2
    assert found[0].what == "iterations/005"
    assert found[1].what.isprintable()


# ---- written anew --------------------------------------------------------------------------------------------------


def better(kind, body):
    if kind == "measured":
        body["sealed"]["score"]["metrics"]["accuracy"]["mean"] = 0.999
    return body


def test_a_score_that_does_not_follow_from_the_predictions_is_named(run):
    rewritten(run, better)
    session.look(run)
    assert set(differences(audit(run))) == {"sealed test"}


def test_a_chain_written_anew_with_everything_to_match_is_caught_by_the_key_only(run, tmp_path, monkeypatch):
    def renamed(kind, body):
        if kind == "proposed":
            body["plan"]["title"] = "invented afterwards"
        body.get("files", {}).pop("plan.json", None)
        return body

    rewritten(run, lambda kind, body: body, KEY)
    path = tmp_path / "audit.key"
    path.write_bytes(KEY.secret)
    path.chmod(0o600)
    session.look(run)
    signed = snapshot(run)
    monkeypatch.setenv("FUMEHOOD_AUDIT_KEY", str(path))
    assert audit(run).count(Group.SIGNATURES, Status.SAME) == 22
    assert differences(audit(run)) == {}

    rewritten(run, renamed)
    session.look(run)
    assert "not signed" in differences(audit(run))["journal.jsonl"]
    rewritten(run, renamed, SigningKey(b"another key of 32 bytes, or more"))
    session.look(run)
    assert "written anew" in differences(audit(run))["journal.jsonl"]
    monkeypatch.delenv("FUMEHOOD_AUDIT_KEY")
    assert differences(audit(run)) == {}, "the control: without the key everything fits"
    assert snapshot(run) != signed


def test_a_signed_run_is_not_checked_without_its_key_and_says_so(run):
    rewritten(run, lambda kind, body: body, KEY)
    session.look(run)
    found = audit(run)
    assert found.passed
    (signatures,) = found.of(Group.SIGNATURES, Status.NOT_CHECKED)
    assert f"signed with key {KEY.name}, key not given: signatures not checked" in signatures.detail


@pytest.mark.parametrize(("name", "value"), [("memory", 2**50), ("runtime", "runsc"), ("cpus", 4096.0), ("pids", 17)])
def test_a_room_under_other_limits_than_the_policys_is_named(run, name, value):
    def loosened(kind, body):
        if kind == "evaluated" and body["envelope"]["seeds"][0]["seed"] == 0:
            body["envelope"]["rooms"][0]["inspected"][name] = value

    rewritten(run, loosened)
    found = differences(audit(run))
    assert f"{name} was {value}" in found["iteration 1, train room"]


def test_a_room_of_another_image_is_named(run):
    def swapped(kind, body):
        if kind == "test_predicted":
            body["envelope"]["rooms"][0]["inspected"]["image_id"] = "sha256:" + "6" * 64

    rewritten(run, swapped)
    assert "image" in differences(audit(run))["sealed test, predict room"]


def test_another_policy_under_a_shipped_name_is_told_and_no_failure(run):
    def older(kind, body):
        if kind == "started":
            body["policy"]["train"]["wall_s"] = 77.0

    rewritten(run, older)
    session.look(run)
    found = audit(run)
    assert found.passed
    (policy,) = found.of(Group.POLICY, Status.TOLD)
    assert "train.wall_s" in policy.detail


# ---- directories of somebody else's --------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"\0", b"\n" * 100_000, b"{" * 100_000 + b"\n", bytes(range(256)) * 100])
def test_a_journal_of_rubbish_is_a_violation_and_no_crash(tmp_path, content):
    (tmp_path / "journal.jsonl").write_bytes(content)
    assert not audit(tmp_path).passed


@pytest.mark.parametrize("make", [
    lambda p: None, lambda p: p.mkdir(), os.mkfifo, lambda p: p.symlink_to("/etc/passwd"),
    lambda p: os.truncate(os.open(p, os.O_CREAT | os.O_WRONLY), 2**40),
])  # fmt: skip
def test_what_has_no_journal_is_no_run_directory(tmp_path, make):
    make(tmp_path / "journal.jsonl")
    with pytest.raises(UsageError, match="not a run directory"):
        audit(tmp_path)


ANY = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "../../../etc/passwd", "a" * 3000, "\0", "\x1b[2J", "sha256:../../info", "NaN", "<script>"]),
    st.just([]), st.just({}), st.just([[[[]]]]), st.just({"a": {"b": 1}}),
)  # fmt: skip


def places(value, path=()):
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from places(child, (*path, key))


@pytest.mark.slow
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_chain_that_holds_over_values_that_no_run_writes_ends_in_findings(whole, run, data):
    """Whoever sends a directory can write a chain that holds."""
    shutil.copyfile(whole / "journal.jsonl", run / "journal.jsonl")
    number = data.draw(st.integers(1, 22))

    def changed(kind, body):
        changed.count += 1
        if changed.count == number and (known := [place for place in places(body) if place]):
            *way, last = data.draw(st.sampled_from(known))
            inner = body
            for key in way:
                inner = inner[key]
            inner[last] = data.draw(ANY)

    changed.count = 0
    rewritten(run, changed)
    # As if a registry had been derived from it, so that the reports are made from these values too.
    (run / "experiments" / "registry.json").write_text(f'"head": "{read(run / "journal.jsonl")[-1].hash}"')
    assert audit(run).findings


@pytest.mark.parametrize("name", ["../../../../etc/passwd", "a/b", "", "\0", "x" * 300])
def test_an_array_with_a_name_that_leads_out_is_named_and_not_read(run, name):
    def leading_out(kind, body):
        if kind == "data_prepared":
            body["dataset"]["digests"][name] = "0" * 64

    rewritten(run, leading_out)
    assert "as no run does" in differences(audit(run))[f"sealed/{name}.bin"]


def test_a_directory_is_opened_as_the_user_named_it(run, monkeypatch):
    monkeypatch.chdir(run.parent)
    (run.parent / "latest").symlink_to(run)
    assert differences(audit(Path("latest"))) == {}
    assert RunDirectory.open(Path("latest")).path == run
