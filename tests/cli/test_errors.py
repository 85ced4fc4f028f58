"""Bad input yields what happened and what to do, the documented exit code, and never a traceback."""

import json
import shutil

import pytest
from commands import fumehood

from fumehood import assets

pytestmark = pytest.mark.unit
GOAL = ("run", "--goal", "Classify digits with >95% accuracy", "--data", "digits")
GPU = "GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77"
BAD = {
    "no command of that name": (("rnu",), "rnu"),
    "no goal": (("run", "--data", "digits"), "--goal"),
    "empty goal": (("run", "--goal", "", "--data", "digits"), "goal"),
    "blank goal": (("run", "--goal", " \n ", "--data", "digits"), "goal"),
    "no data set": (("run", "--goal", "Be accurate"), "fumehood data list"),
    "unknown data set": (("run", "--goal", "x", "--data", "digit"), "There are: digits, "),
    "unknown kind of data": (("run", "--goal", "x", "--data", "ftp:x"), "csv:PATH#target=COLUMN"),
    "a file that is not there": (("run", "--goal", "x", "--data", "csv:/no/where.csv#target=y"), "no directory"),
    "no seeds": ((*GOAL, "--num-seeds", "0"), "--num-seeds"),
    "half a seed": ((*GOAL, "--num-seeds", "1.5"), "--num-seeds"),
    "none at once": ((*GOAL, "--parallel", "0"), "--parallel"),
    "a few at once": ((*GOAL, "--parallel", "few"), "--parallel"),
    "negative iterations": ((*GOAL, "--max-iterations", "-1"), "--max-iterations"),
    "negative budget": ((*GOAL, "--budget-minutes", "-1"), "-1 is not above zero"),
    "endless budget": ((*GOAL, "--budget-minutes", "inf"), "--budget-minutes"),
    "budget in words": ((*GOAL, "--budget-minutes", "ten"), "'ten' is not a number"),
    "a subset of nobody": ((*GOAL, "--subset", "0"), "--subset"),
    "a subset in words": (("data", "describe", "digits", "--subset", "half"), "'half'"),
    "a subset for a check": (("check", "/no/file.py", "--data", "digits", "--subset", "9"), "--subset"),
    "one fold": ((*GOAL, "--splits", "kfold:1"), "K from 2 to 10"),
    "folds in words": ((*GOAL, "--splits", "five"), "--splits is 'five'"),
    "folds of candidates side by side": ((*GOAL, "--splits", "kfold:3", "--parallel", "2"), "--parallel 2 do not go"),
    "no time": ((*GOAL, "--timeout", "0"), "--timeout"),
    "unknown metric": ((*GOAL, "--metric", "beauty"), "beauty"),
    "unknown planner": ((*GOAL, "--planner", "oracle"), "oracle"),
    "unknown option": ((*GOAL, "--gpu"), "--gpu"),
    "no number of GPUs": ((*GOAL, "--gpus", "2x"), "--gpus '2x'"),
    "zero GPUs": ((*GOAL, "--gpus", "0"), "neither none, auto"),
    "the same GPU twice": ((*GOAL, "--policy", "gpu", "--gpus", f"{GPU},{GPU}"), "distinct UUIDs"),
    "unknown policy": ((*GOAL, "--policy", "lax"), "shipped policies: "),
    "unknown policy for the doctor": (("doctor", "--policy", "lax"), "shipped policies: "),
    "unknown policy to show": (("policy", "show", "lax"), "shipped policies: "),
    "unknown data set to describe": (("data", "describe", "digit"), "There are: digits, "),
    "nothing to describe": (("data", "describe"), "SPEC"),
    "no run to resume": (("resume", "/no/where"), "not a run directory"),
    "no run to report": (("report", "/"), "not a run directory"),
    "a folder to write predictions to": (("predict", "/", "--data", "csv:x", "--output", "/"), "is a directory"),
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    yield
    assert list((tmp_path / "cwd").iterdir()) == []


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named_and_exits_with_two(name):
    arguments, words = BAD[name]
    done = fumehood(*arguments)
    assert (done.code, done.out) == (2, "")
    assert words in done.err
    assert "what to do: " in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("name", ["empty goal", "unknown data set", "no seeds", "unknown policy", "no run to resume"])
def test_with_json_the_error_is_one_document(name):
    arguments, words = BAD[name]
    done = fumehood(*arguments, "--json")
    assert done.code == done.json["exit_code"] == 2
    assert set(done.json) == {"schema_version", "error", "exit_code"}
    assert set(done.json["error"]) == {"kind", "message", "hint"}
    assert all(done.json["error"].values())
    assert words in json.dumps(done.json)
    assert "Traceback" not in done.err


def test_a_policy_with_an_unknown_key_names_it(tmp_path):
    text = (assets.policies() / "standard.toml").read_text()
    (tmp_path / "mine.toml").write_text(f"network = true\n{text}")
    done = fumehood(*GOAL, "--policy", str(tmp_path / "mine.toml"), "--json")
    assert done.json["error"]["kind"] == "policy"
    assert "network: unknown key" in done.json["error"]["message"]


def test_a_full_run_directory_is_left_alone(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("x")
    done = fumehood(*GOAL, "--workdir", str(tmp_path / "full"), "--json")
    assert (done.code, done.json["error"]["kind"]) == (2, "usage")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine"]


def test_an_altered_journal_names_its_line(tmp_path):
    (tmp_path / "journal.jsonl").write_text("{}\n")
    done = fumehood("report", str(tmp_path), "--json")
    assert done.code == 2
    assert "line 1 of journal.jsonl" in done.json["error"]["message"]


@pytest.mark.parametrize("arguments", [GOAL, ("gc",), ("data", "describe")], ids=lambda a: " ".join(a[:2]))
def test_without_an_engine_the_ways_out_are_told(tmp_path, arguments):
    if arguments[0] == "data":
        (tmp_path / "a.csv").write_text("x,y\n1,2\n")
        arguments = (*arguments, f"csv:{tmp_path / 'a.csv'}#target=y")
    if arguments is GOAL:
        arguments = (*arguments, "--workdir", str(tmp_path / "run"))
    done = fumehood(*arguments, "--json", DOCKER_HOST=f"unix://{tmp_path}/nobody.sock")
    assert (done.code, done.json["exit_code"], done.json["error"]["kind"]) == (6, 6, "engine")
    assert "nobody.sock" in done.json["error"]["message"]
    assert "rootless Docker" in done.json["error"]["hint"]


GPUS_THAT_CANNOT_BE_HAD = {
    ("--gpus", "1"): "policy standard allows none",
    ("--gpus", "auto"): "policy standard allows none",
    ("--gpus", GPU, "--policy", "ci"): "policy ci allows none",
    ("--policy", "gpu"): "a GPU is asked for, and the engine's host has none",
    ("--policy", "gpu", "--gpus", "2"): "2 GPUs are asked for, and the engine's host has none",
    ("--policy", "gpu", "--gpus", GPU): f"{GPU} is asked for, and the engine's host has none",
    ("--policy", "gpu", "--gpus", "9"): "policy gpu allows at most 8",
    ("--policy", "strict", "--gpus", "1"): "needs gVisor's nvproxy",
}


@pytest.mark.integration
@pytest.mark.parametrize("options", GPUS_THAT_CANNOT_BE_HAD, ids=" ".join)
def test_a_gpu_that_cannot_be_had_is_said_and_nothing_is_begun(tmp_path, options):
    if shutil.which("nvidia-smi"):
        pytest.skip("this machine has a GPU")
    done = fumehood(*GOAL, *options, "--workdir", str(tmp_path / "run"), "--json")
    assert (done.code, done.json["exit_code"], done.json["error"]["kind"]) == (6, 6, "engine")
    assert GPUS_THAT_CANNOT_BE_HAD[options] in done.json["error"]["message"]
    assert "--gpus none" in done.json["error"]["hint"]
    assert not (tmp_path / "run").exists()


def test_without_an_engine_the_doctor_still_looks_at_the_rest(tmp_path):
    done = fumehood("doctor", "--json", DOCKER_HOST=f"unix://{tmp_path}/nobody.sock")
    assert (done.code, done.json["exit_code"], done.json["passed"]) == (6, 6, False)
    statuses = {check["name"]: check["status"] for check in done.json["checks"]}
    assert statuses["engine"] == "fail"
    assert statuses["packages"] == "ok"
    page = fumehood("doctor", DOCKER_HOST=f"unix://{tmp_path}/nobody.sock")
    assert page.code == 6
    assert "a run would be refused" in page.out


def test_a_traceback_is_shown_to_who_asks_for_it():
    arguments = ("run", "--goal", "x", "--data", "digit")
    assert "Traceback" in fumehood(*arguments, "--verbose").err
    assert "Traceback" not in fumehood(*arguments).err


def test_what_a_user_wrote_cannot_drive_the_terminal():
    done = fumehood("data", "describe", "dig\x1b[31m\x07its")
    assert "\x1b" not in done.err
    assert "\x07" not in done.err


def test_not_even_in_a_traceback(tmp_path):
    folder = tmp_path / "here\u202e\x9b2Jthere"
    folder.mkdir()
    (folder / "file").touch()
    done = fumehood("run", "--goal", "x", "--data", "digits", "--workdir", str(folder), "--verbose")
    assert "Traceback" in done.err
    assert "there exists already" in done.err
    assert not {"\u202e", "\x9b"} & set(done.err)


# ---- what works without a run --------------------------------------------------------------------------------------


def test_data_sets_are_listed_and_described():
    listed = fumehood("data", "list", "--json").json["data"]
    assert "digits" in [entry["name"] for entry in listed]
    assert all(entry["name"] in fumehood("data", "list").out for entry in listed[:1])
    assert fumehood("data", "describe", "iris", "--json").json["rows"] == 150
    assert "setosa" in fumehood("data", "describe", "iris").out


def test_policies_are_listed_and_shown_with_units():
    assert "standard" in [entry["name"] for entry in fumehood("policy", "list", "--json").json["policies"]]
    fields = {field["name"]: field for field in fumehood("policy", "show", "standard", "--json").json["fields"]}
    assert (fields["train.memory"]["value"], fields["train.memory"]["shown"]) == (6 * 2**30, "6.0 GiB")
    assert fields["train.wall_s"]["shown"].endswith(" s")
    assert all(field["meaning"] for field in fields.values())
    assert all(name in fumehood("policy", "show", "standard").out for name in list(fields)[:3])


@pytest.mark.integration
def test_a_csv_file_is_described_from_within_a_room(tmp_path):
    rows = "\n".join(f"{i % 17 if i else ''},{'oak' if i % 3 else 'ash'},{'a' if i % 2 else '=b'}" for i in range(60))
    (tmp_path / "a.csv").write_text(f"height,kind,label\n{rows}\n")
    spec = f"csv:{tmp_path / 'a.csv'}#target=label"
    described = fumehood("data", "describe", spec, "--json").json
    assert (described["task"], sum(described["rows"].values())) == ("classification", 60)
    assert described["facts"]["class_counts"] == {"a": 30, "=b": 30}
    assert described["facts"]["missing_cells"] == {"height": 1}
    assert {column["name"]: column["kind"] for column in described["columns"]} == {
        "height": "number",
        "kind": "category",
    }
    page = fumehood("data", "describe", spec).out
    assert "height: 1 cells" in page
    assert "one-hot over 2 values" in page
    assert "landmarks" in page


@pytest.mark.integration
def test_a_csv_file_that_cannot_be_used_says_why(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n" + "1,2\n" * 30)
    done = fumehood("data", "describe", f"csv:{tmp_path / 'a.csv'}#target=z", "--json")
    assert (done.code, done.json["error"]["kind"]) == (2, "data")


@pytest.mark.integration
def test_the_doctor_and_the_cleaner_work_on_a_real_engine():
    done = fumehood("doctor", "--json")
    statuses = {check["name"]: check["status"] for check in done.json["checks"]}
    assert statuses["engine"] == "ok"
    assert done.code == (6 if "fail" in statuses.values() else 0)
    assert fumehood("gc", "--dry-run", "--json").json["removed"] == []
