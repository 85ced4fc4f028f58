"""The GitHub action: its steps run as plain shell, its inputs stay data, and what it uses is pinned."""

import json
import re
import shlex
import sys
import sysconfig
from pathlib import Path

import pytest

import readme_commands
from check import examples
from check.steps import ACTION, EXPRESSION, ROOT, WORKFLOW, Runner, read
from fumehood.cli import cli
from integration.lab import SOURCES

PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")
NASTY = ("$(touch {0})", "`touch {0}`", '"; touch {0}; "', "'; touch {0}; '", "x\nverdict=passed\ntouch {0}", "--help")


@pytest.fixture
def program(tmp_path: Path) -> str:
    """The program under test, as a file that can be called."""
    path = tmp_path / "fumehood"
    call = shlex.join([sys.executable, "-c", "from fumehood.cli import main; main()"])
    path.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(":".join(SOURCES))} exec {call} "$@"\n')
    path.chmod(0o755)
    return str(path)


def runner(folder: Path, program: str, **inputs: str) -> Runner:
    temp = folder / "runner"
    temp.mkdir()
    named = {name.replace("_", "-"): value for name, value in inputs.items()}
    return Runner(temp, {"program": program, **named}, {"program": {"path": program}})


# ---- the files -----------------------------------------------------------------------------------------------------


@pytest.mark.unit
@pytest.mark.parametrize("path", [ACTION, WORKFLOW], ids=lambda path: path.name)
def test_everything_used_is_pinned_to_a_commit_with_its_version_beside_it(path: Path) -> None:
    used = re.findall(r"^\s*(?:- )?uses: (.+)$", path.read_text(), re.MULTILINE)
    assert used
    for line in used:
        name, _, version = line.partition(" # ")
        ours = name == "./.github/actions/check"
        assert ours or (PINNED.fullmatch(name) and re.fullmatch(r"v\d+\.\d+\.\d+", version))


@pytest.mark.unit
def test_no_input_is_written_into_a_script() -> None:
    steps = read(ACTION)["runs"]["steps"]
    assert not any(EXPRESSION.search(step.get("run", "")) for step in steps)
    assert all("run" not in step for job in read(WORKFLOW)["jobs"].values() for step in job["steps"])


@pytest.mark.unit
def test_the_example_uses_inputs_that_there_are_and_no_more_rights_than_it_needs() -> None:
    action, workflow = read(ACTION), read(WORKFLOW)
    (job,) = workflow["jobs"].values()
    given_inputs = job["steps"][-1]["with"]
    assert set(given_inputs) <= set(action["inputs"])
    assert {name for name, said in action["inputs"].items() if said.get("required")} <= set(given_inputs)
    assert workflow["permissions"] == {"contents": "read"}
    assert job["permissions"] == {"contents": "read", "security-events": "write"}


@pytest.mark.unit
def test_every_command_of_the_action_is_one_of_the_programs() -> None:
    scripts = "\n".join(step.get("run", "") for step in read(ACTION)["runs"]["steps"])
    called = re.findall(r'^ *"\$PROGRAM" (.*)$', scripts, re.MULTILINE)
    assert len(called) >= 6
    for line in called:
        words = [word for word in shlex.split(line) if word != "--" and not word.startswith("${")]
        assert readme_commands.unknown(cli, words) is None, line


# ---- the steps -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.integration
def test_this_version_is_installed_where_none_is_named(tmp_path: Path) -> None:
    """The libraries that it needs are there already, so that they are not fetched for the test."""
    action = runner(tmp_path, "")
    action.environment = {"PYTHONPATH": sysconfig.get_path("purelib")}
    done = action.run("Install")
    assert done.code == 0, done.log
    assert "fumehood, version" in done.log
    assert action.outputs["program"] == {"path": str(action.temp / "fumehood-venv" / "bin" / "fumehood")}
    installed = next((action.temp / "fumehood-venv").glob("lib/python*/site-packages/fumehood"))
    assert (installed / "check.py").read_bytes() == (ROOT / "controller" / "fumehood" / "check.py").read_bytes()


@pytest.mark.unit
def test_the_cache_is_keyed_by_the_sources_of_the_image(tmp_path: Path, program: str) -> None:
    action = runner(tmp_path, program)
    assert action.run("Digest of the image's sources").code == 0
    assert re.fullmatch(r"[0-9a-f]{64}", action.outputs["image"]["digest"])
    steps = {step["name"]: step for step in read(ACTION)["runs"]["steps"]}
    keys = {steps[name]["with"]["key"] for name in ("Restore the image", "Save the image")}
    assert len(keys) == 1
    assert "${{ steps.image.outputs.digest }}" in keys.pop()


@pytest.mark.slow
@pytest.mark.integration
def test_the_image_is_saved_after_a_build_and_loaded_after_a_restore(tmp_path: Path, program: str) -> None:
    action = runner(tmp_path, program)
    for hit in ("", "true"):
        action.outputs["restored"] = {"cache-hit": hit}
        done = action.run("Load or build the image")
        assert done.code == 0, done.log
        assert (action.temp / "fumehood-image.tar").stat().st_size > 10**8


@pytest.mark.integration
def test_a_candidate_that_passes_passes_the_job(write: Path, tmp_path: Path, program: str) -> None:
    (write / "a model.py").write_text(examples.LINEAR)
    action = runner(
        tmp_path, program, file="a model.py", data="iris", num_seeds="1", min_score="0.3", args="--split-seed '3'"
    )
    done = action.run("Check")
    assert done.code == 0, done.log
    found = action.outputs["check"]
    assert (found["verdict"], found["exit-code"]) == ("passed", "0")
    assert 0.3 < float(found["score"]) <= 1.0
    report = Path(found["report"])
    assert json.loads(report.read_text())["runs"][0]["invocations"][0]["exitCode"] == 0
    assert sorted(path.name for path in report.parent.iterdir()) == ["args", "report.sarif"]
    assert action.run("Verdict").code == 0
    assert "| passed | 0 |" in (action.temp / "summary").read_text()


@pytest.mark.integration
def test_a_hostile_candidate_fails_the_job_and_gives_the_runner_no_command(
    write: Path, tmp_path: Path, program: str
) -> None:
    (write / "model.py").write_text(examples.HOSTILE)
    action = runner(tmp_path, program, file="model.py", data="iris", num_seeds="1", format="text", args="--verbose")
    done = action.run("Check")
    assert done.code == 0, done.log
    found = action.outputs["check"]
    assert (found["verdict"], found["exit-code"], found["score"]) == ("policy_violation", "4", "")
    assert action.run("Verdict").code == 4
    first, *between, last = done.log.splitlines()
    token = first.removeprefix("::stop-commands::")
    assert re.fullmatch(r"[0-9a-f]{32}", token)
    assert last == f"::{token}::"
    assert any("The candidate broke the rules" in line for line in between)
    assert "set-output" not in (action.temp / "summary").read_text()


def recorder(folder: Path) -> Path:
    """A program that writes its arguments down, one after each NUL, and does nothing else."""
    path = folder / "recorder"
    path.write_text(f"#!/bin/sh\nprintf '%s\\0' \"$@\" >> {shlex.quote(str(folder / 'seen'))}\n")
    path.chmod(0o755)
    return path


def recorded(folder: Path) -> list[str]:
    return (folder / "seen").read_text().split("\0")[:-1]


@pytest.mark.unit
@pytest.mark.parametrize("name", ["file", "data", "policy", "min_score", "num_seeds"])
@pytest.mark.parametrize("index", range(len(NASTY)))
def test_an_input_arrives_as_it_is_and_becomes_no_command(write: Path, tmp_path: Path, name: str, index: int) -> None:
    nasty = NASTY[index].format(tmp_path / "touched")
    action = runner(tmp_path, str(recorder(tmp_path)), **{"file": "model.py", "data": "iris", name: nasty})
    assert action.run("Check").code == 0
    expected = nasty if name == "file" else f"--{name.replace('_', '-')}={nasty}"
    assert recorded(tmp_path).count(expected) == 1
    assert not (tmp_path / "touched").exists()
    assert (action.outputs["check"]["verdict"], action.outputs["check"]["exit-code"]) == ("", "2")
    assert action.run("Verdict").code == 2


@pytest.mark.unit
@pytest.mark.parametrize("name", ["format", "args"])
def test_a_format_or_options_that_make_no_sense_stop_the_job(write: Path, tmp_path: Path, name: str) -> None:
    for index, nasty in enumerate(NASTY):
        folder = tmp_path / str(index)
        folder.mkdir()
        asked = {"file": "model.py", "data": "iris", name: nasty.format(tmp_path / "touched")}
        action = runner(folder, str(recorder(folder)), **asked)
        assert action.run("Check").code != 0 or action.run("Verdict").code != 0
        assert action.outputs["check"].get("verdict", "") == ""
        assert not (tmp_path / "touched").exists()


@pytest.mark.unit
def test_further_options_are_split_as_a_shell_would_and_never_expanded(write: Path, tmp_path: Path) -> None:
    """Ours come last, so that they win."""
    further = "--metric 'a  b' * $HOME --workdir=mine"
    action = runner(tmp_path, str(recorder(tmp_path)), file="-m.py", data="iris", args=further)
    assert action.run("Check").code == 0
    arguments = recorded(tmp_path)
    assert arguments[:6] == ["check", "--metric", "a  b", "*", "$HOME", "--workdir=mine"]
    assert [a for a in arguments if a.startswith("--workdir=")][-1] != "--workdir=mine"
    assert arguments[-2:] == ["--", "-m.py"]
