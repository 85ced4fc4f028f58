"""``fumehood policy explain`` and ``check``: what people and programs read, and the exit codes."""

import re

import pytest
from commands import fumehood

from fumehood import assets, floor

pytestmark = pytest.mark.unit
STANDARD = (assets.policies() / "standard.toml").read_text()
BAD = {
    "broken TOML": ("name = ", "is not TOML"),
    "an unknown key": (f"network = true\n{STANDARD}", "network: unknown key"),
    "a negative size": (re.sub(r"(?m)^memory.*$", 'memory = "-1GiB"', STANDARD), "train.memory:"),
    "limits that contradict each other": (
        re.sub(r"(?m)^exchange.*$", 'exchange = "6GiB"', STANDARD),
        "exchange must be smaller than memory",
    ),
    "a data file that fits nowhere": (
        re.sub(r"(?m)^raw_data.*$", 'raw_data = "4GiB"', STANDARD),
        "raw_data must fit into prepare.exchange",
    ),
    "nothing": ("", "runtime: missing key"),
    "an endless nesting": ("x = " + "[" * 100_000, "nested too deeply"),
    "a number without end": (f"raw_data = {'9' * 10_000}", "is not TOML"),
    "too much": (f"#{'x' * 2**20}\n{STANDARD}", "larger than 1048576 bytes"),
}


@pytest.fixture(autouse=True)
def _no_floor(monkeypatch):
    monkeypatch.delenv(floor.VARIABLE, raising=False)


@pytest.fixture
def tight(tmp_path):
    """A floor that policy standard does not keep."""
    path = tmp_path / "floor.toml"
    path.write_text(
        'isolate_seeds = true\n[train]\nmemory = "1GiB"\n[llm]\nhosts = ["llm.example"]\nsend_names = false\n'
    )
    return {floor.VARIABLE: str(path)}


@pytest.mark.parametrize("command", ["check", "explain", "show"])
@pytest.mark.parametrize("name", BAD)
def test_a_policy_file_that_cannot_be_used_says_why(tmp_path, name, command):
    text, words = BAD[name]
    (tmp_path / "mine.toml").write_text(text)
    done = fumehood("policy", command, str(tmp_path / "mine.toml"))
    assert done.code == 2
    assert words in done.out + done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("name", ["lax", "/", "/dev/zero"])
def test_what_is_no_policy_file_is_refused(name):
    done = fumehood("policy", "check", name, "--json")
    assert (done.code, done.json["passed"]) == (2, False)
    assert "shipped policies" in done.json["checks"][0]["hint"]


def test_a_good_policy_without_asking_the_engine(tmp_path):
    done = fumehood("policy", "check", "standard", "--no-engine", "--json", DOCKER_HOST=f"unix://{tmp_path}/none.sock")
    assert (done.code, done.json["passed"], done.json["exit_code"]) == (0, True, 0)
    assert [check["name"] for check in done.json["checks"]] == ["valid", "floor"]


def test_without_an_engine_it_cannot_be_enforced(tmp_path):
    done = fumehood("policy", "check", "standard", "--json", DOCKER_HOST=f"unix://{tmp_path}/none.sock")
    assert (done.code, done.json["exit_code"]) == (6, 6)
    assert [check["status"] for check in done.json["checks"]] == ["ok", "ok", "fail"]
    page = fumehood("policy", "check", "standard", DOCKER_HOST=f"unix://{tmp_path}/none.sock")
    assert (page.code, "would be refused" in page.out) == (6, True)


def test_a_policy_below_the_floor_fails_with_the_floor_s_exit_code(tight):
    done = fumehood("policy", "check", "standard", "--json", **tight)
    assert (done.code, done.json["exit_code"]) == (2, 2)
    assert [check["status"] for check in done.json["checks"]] == ["ok", "fail"]
    assert "train.memory is 6442450944 (6.0GiB)" in done.json["checks"][1]["seen"]
    assert tight[floor.VARIABLE] in done.json["checks"][1]["seen"]


@pytest.mark.integration
@pytest.mark.parametrize("name", ["standard", "ci"])
def test_a_shipped_policy_can_be_enforced_by_a_real_engine(name):
    done = fumehood("policy", "check", name, "--json")
    assert done.code == 0, done.json
    assert [check["name"] for check in done.json["checks"]][2:] == [
        "engine",
        "interface",
        "limits",
        "seccomp",
        "runtime",
    ]


def test_the_explanation_tells_consequences_budget_risks_and_floors(tight):
    page = fumehood("policy", "explain", "standard", **tight).out
    assert "Without it: a fork bomb would take every process slot of the host." in page
    assert "15.6 GiB of the host's memory" in page
    assert "rooms share the host's kernel" in page
    assert f"Floor: at most 1073741824 (1.0GiB) ({tight[floor.VARIABLE]}): this value is looser" in page
    assert "language models may be asked on llm.example, and nowhere else" in page
    assert "names of columns and classes may not be sent" in page
    assert "none is set on this machine" in fumehood("policy", "explain", "standard").out


def test_programs_get_the_same_explanation(tight):
    told = fumehood("policy", "explain", "standard", "--json", **tight).json
    fields = {field["name"]: field for field in told["fields"]}
    assert fields["train.memory"]["floor"] == [
        {"source": tight[floor.VARIABLE], "limit": 2**30, "allows": "at most 1073741824 (1.0GiB)", "holds": False}
    ]
    assert fields["train.pids"]["floor"] == []
    assert told["llm"] == {"hosts": ["llm.example"], "send_names": False}
    assert told["host_memory_bytes"] > 2**30
    assert told["floors"] == [tight[floor.VARIABLE]]


def test_one_key_can_be_explained_and_an_unknown_one_is_an_error():
    page = fumehood("policy", "explain", "strict", "train.pids").out
    assert "train.pids = 1024  (looser than policy standard: 512)" in page
    assert "memory" not in page
    done = fumehood("policy", "explain", "strict", "warp")
    assert (done.code, "no key 'warp'" in done.err) == (2, True)


def test_what_a_file_says_of_itself_cannot_drive_the_terminal(tmp_path):
    text = re.sub(r"(?m)^description.*$", 'description = "\\\\u001b[31mred\\\\u202e"', STANDARD)
    (tmp_path / "mine.toml").write_text(text)
    for command in ("explain", "show", "check"):
        done = fumehood(
            "policy", command, str(tmp_path / "mine.toml"), *(["--no-engine"] if command == "check" else [])
        )
        assert done.code == 0
        assert "\x1b" not in done.out + done.err
        assert "\u202e" not in done.out + done.err
