"""No policy that passes its floors is looser than one of them anywhere; a floor that cannot be trusted is refused."""

import json
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ByteSize

from fumehood import assets, floor, policy, session
from fumehood.errors import InternalError, PolicyError
from fumehood.floor import Floor, enforce
from fumehood.policy import Policy, Role
from fumehood.sandbox.cage import Cage, create_body, exchange_options
from nobody import as_nobody

pytestmark = pytest.mark.unit

MIB = 1024 * 1024
ROOMS = ("prepare", "train", "predict")
STANDARD = floor.flat(policy.load("standard"))
KEYS = [key for key in STANDARD if floor.direction(key) is floor.AT_MOST]
"""Every amount of a policy."""
RUNTIMES = ("runc", "runsc")

amounts = st.integers(min_value=1, max_value=64)


def values(key: str) -> st.SearchStrategy[Any]:
    """Few distinct values for any key of a policy, so that equal, tighter and looser ones all occur."""
    way, usual = floor.direction(key), STANDARD[key]
    if key == "runtime":
        return st.sampled_from(RUNTIMES)
    if key == "seccomp":
        return st.sampled_from(sorted(path.name for path in assets.policies().glob("*.json")))
    if way is floor.TRUE:
        return st.booleans()
    if way is floor.AMONG:
        return st.sets(st.sampled_from(sorted({item for it in shipped() for item in it[key]}))).map(tuple)
    if isinstance(usual, ByteSize):
        return amounts.map(lambda it: ByteSize(it * MIB))
    if way is floor.AT_MOST:
        return amounts.map(lambda it: type(usual)(it * 64 if usual >= 64 and isinstance(usual, int) else it))
    return st.just(usual)


@cache
def shipped() -> list[dict[str, Any]]:
    return [floor.flat(policy.load(name)) for name in policy.shipped()]


def nested(values: dict[str, Any]) -> dict[str, Any]:
    """Dotted keys as the tables of a file."""
    tables: dict[str, Any] = {}
    for key, value in values.items():
        table, _, name = key.rpartition(".")
        (tables.setdefault(table, {}) if table else tables)[name] = value
    return tables


def as_toml(values: dict[str, Any]) -> str:
    """A policy or floor file with these values."""
    lines: list[str] = []
    for table in ("", *dict.fromkeys(key.rpartition(".")[0] for key in values if "." in key)):
        lines += [f"[{table}]"] if table else []
        for key, value in values.items():
            where, _, name = key.rpartition(".")
            plain = (
                value
                if isinstance(value, bool | float | str)
                else list(value)
                if isinstance(value, tuple)
                else int(value)
            )
            lines += [f"{name} = {json.dumps(plain)}"] if where == table else []
    return "\n".join(lines) + "\n"


@st.composite
def wholes(draw: st.DrawFn) -> dict[str, Any]:
    """The values of any valid policy, each drawn by itself but for what must fit together."""
    drawn = {key: draw(values(key)) for key in STANDARD}
    for room in ROOMS:
        drawn[f"{room}.memory"] = drawn[f"{room}.exchange"] + drawn[f"{room}.memory"]
        drawn[f"{room}.exchange"] = max(drawn[f"{room}.exchange"], MIB)
    drawn["raw_data"] = min(drawn["raw_data"], drawn["prepare.exchange"])
    return drawn


@st.composite
def floors(draw: st.DrawFn) -> Floor:
    """Any part of any policy."""
    whole = draw(wholes())
    return Floor("floor.toml", {key: whole[key] for key in draw(st.sets(st.sampled_from(sorted(whole))))})


def looser(key: str, asked: Any, limit: Any) -> bool:
    """Written down anew, in the words of the documentation."""
    if key in ("name", "description"):
        return False
    if key == "runtime":
        return (asked, limit) == ("runc", "runsc")
    if key == "seccomp":
        return bool(asked != limit)
    if isinstance(limit, bool):
        return limit is True and asked is False
    if isinstance(limit, tuple):
        return not set(asked) <= set(limit)
    return bool(asked > limit)


def test_for_every_key_of_a_policy_somebody_stated_which_way_is_tight() -> None:
    stated = {key.replace("ROOM", room) for key in floor.DIRECTIONS for room in (ROOMS if "ROOM" in key else ("",))}
    assert stated == set(STANDARD)


def test_a_key_without_a_stated_direction_is_a_bug_and_not_let_pass() -> None:
    with pytest.raises(InternalError, match=r"train\.warp"):
        floor.direction("train.warp")


@given(wholes(), st.lists(floors(), max_size=2))
def test_what_comes_out_is_the_policy_and_nowhere_looser_than_a_floor(
    asked: dict[str, Any], bounds: list[Floor]
) -> None:
    given = Policy.model_validate(nested(asked))
    broken = [key for bound in bounds for key, limit in bound.values.items() if looser(key, asked[key], limit)]
    if not broken:
        assert enforce(given, bounds) is given
        return
    with pytest.raises(PolicyError) as refused:
        enforce(given, bounds)
    assert all(f"{key} is " in refused.value.what for key in broken)


FLAGS = st.fixed_dictionaries(
    {
        "timeout_s": st.none() | st.floats(1, 1e9),
        "budget_minutes": st.none() | st.floats(1, 1e9),
        "num_seeds": st.integers(1, 100),
        "seed": st.integers(0, 100),
        "split_seed": st.integers(0, 100),
        "max_iterations": st.integers(1, 1000),
    }
)


@settings(max_examples=60)
@given(asked=wholes(), system=floors(), named=floors(), flags=FLAGS)
def test_no_file_and_no_flag_gives_a_room_more_than_the_floors_on_disk(
    asked: dict[str, Any], system: Floor, named: Floor, flags: dict[str, Any]
) -> None:
    """From the three files and the command line to what the engine is asked for."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        mine = write(Path(folder, "mine.toml"), as_toml(asked))
        patch.setenv(floor.VARIABLE, str(write(Path(folder, "named.toml"), as_toml(dict(named.values)))))
        there = floor.read(system=write(Path(folder, "system.toml"), as_toml(dict(system.values))))
        assert [it.values for it in there] == [system.values, named.values]
        try:
            chosen = session.settings(
                "Classify digits", data="digits", name=None, planner="search", policy=str(mine), metric=None,
                target=None, gpus="none", **flags,
            ).policy  # fmt: skip
            held = enforce(policy.load(chosen), there)
        except PolicyError:
            assert any(looser(k, asked[k], limit) for it in there for k, limit in it.values.items())
            return
    for role in get_args(Role):
        asked_for = what_the_engine_is_asked_for(held, role)
        for it in there:
            bound = {key.rpartition(".")[2]: limit for key, limit in it.values.items() if key.startswith(f"{role}.")}
            assert [key for key in asked_for.keys() & bound.keys() if asked_for[key] > bound[key]] == []


def what_the_engine_is_asked_for(held: Policy, role: Role) -> dict[str, float]:
    """Limits of a room, by the policy's names for them, as they stand in the request to the engine."""
    cage = Cage.of(held, role, host_cpus=4096, image_id="", uid=1, name="", exchange="", labels={})
    host = create_body(cage)["HostConfig"]
    tmp = dict(it.partition("=")[::2] for it in host["Tmpfs"]["/tmp"].split(","))
    exchange = dict(it.partition("=")[::2] for it in exchange_options(cage)["o"].split(","))
    ulimits = {it["Name"]: max(it["Hard"], it["Soft"]) for it in host["Ulimits"]}
    return {
        "memory": host["MemorySwap"], "cpus": host["NanoCpus"] / 1e9, "pids": host["PidsLimit"],
        "shm": host["ShmSize"], "file": ulimits["fsize"], "nofile": ulimits["nofile"], "tmp": int(tmp["size"]),
        "exchange": int(exchange["size"]), "inodes": max(int(tmp["nr_inodes"]), int(exchange["nr_inodes"])),
    }  # fmt: skip


@given(wholes(), wholes())
def test_two_floors_bind_as_their_tightest_values_do(one: dict[str, Any], two: dict[str, Any]) -> None:
    given = Policy.model_validate(nested(one))
    both = [Floor(name, {key: it[key] for key in KEYS}) for name, it in (("one", one), ("two", two))]
    tightest = Floor("both", {key: min(one[key], two[key]) for key in KEYS})
    assert allowed(given, both) == allowed(given, [tightest])
    for key, found in floor.bounds(given, both).items():
        assert found[0].limit == tightest.values[key]


def allowed(given: Policy, bounds: list[Floor]) -> bool:
    try:
        enforce(given, bounds)
    except PolicyError:
        return False
    return True


@pytest.mark.parametrize("key", KEYS)
def test_one_unit_more_than_a_floor_is_refused_with_field_values_and_file(key: str) -> None:
    given = policy.load("standard")
    value = STANDARD[key]
    assert enforce(given, [Floor("/etc/floor.toml", {key: value})]) is given
    with pytest.raises(PolicyError) as refusal:
        enforce(given, [Floor("/etc/floor.toml", {key: value - 1})])
    assert refusal.value.exit_code == 2
    assert f"{key} is {value}" in refusal.value.what
    assert "/etc/floor.toml allows at most " in refusal.value.what
    assert str(value - 1) in refusal.value.what


def test_a_looser_runtime_or_shared_seeds_are_refused() -> None:
    for key, value in (("runtime", "runsc"), ("isolate_seeds", True), ("seccomp", "other.json")):
        with pytest.raises(PolicyError, match=f"{key} is "):
            enforce(policy.load("standard"), [Floor("f", {key: value})])
    strict = policy.load("strict")
    assert enforce(strict, [Floor("f", {"runtime": "runc", "isolate_seeds": False})]) is strict


def test_a_floor_without_gpus_refuses_the_policy_that_gives_them_by_itself() -> None:
    given = policy.load("gpu")
    with pytest.raises(PolicyError, match=r"gpu\.devices is 8, and lab allows at most 0"):
        enforce(given, [Floor("lab", {"gpu.devices": 0})])
    with pytest.raises(PolicyError, match=r"gpu\.on_request is false, and lab allows only true"):
        enforce(given, [Floor("lab", {"gpu.on_request": True})])
    assert enforce(policy.load("standard"), [Floor("lab", {"gpu.devices": 0, "gpu.files": (), "gpu.nodes": ()})])


def test_a_list_may_be_shorter_than_the_floors_and_never_longer() -> None:
    given = policy.load("gpu")
    assert enforce(given, [Floor("lab", {"gpu.nodes": (*given.gpu.nodes, "nvidia-nvlink")})]) is given
    with pytest.raises(PolicyError, match=r"gpu.nodes is nvidiactl, .*, and lab allows only nvidiactl$"):
        enforce(given, [Floor("lab", {"gpu.nodes": ("nvidiactl",)})])
    with pytest.raises(PolicyError, match=r"lab allows only none"):
        enforce(given, [Floor("lab", {"gpu.nodes": ()})])


# ---- files -----------------------------------------------------------------------------------------------------------


def write(path: Path, content: str, mode: int = 0o644) -> Path:
    path.write_text(content)
    path.chmod(mode)
    return path


def read(named: Path | None = None, system: Path = Path("/nonexistent/policy.toml")) -> list[Floor]:
    return floor.read({floor.VARIABLE: str(named)} if named else {}, system)


def refusal(named: Path) -> str:
    with pytest.raises(PolicyError) as refused:
        read(named)
    assert str(named) in refused.value.what
    assert refused.value.exit_code == 2
    assert refused.value.hint
    return refused.value.what


def test_without_a_file_there_is_no_floor() -> None:
    assert read() == []


def test_a_floor_is_a_policy_with_keys_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "f.toml", 'name = "lab"\nruntime = "runsc"\n[train]\nmemory = "1GiB"\nwall_s = 60\n')
    (found,) = read(path)
    assert found == Floor(
        str(path), {"name": "lab", "runtime": "runsc", "train.memory": 1024 * MIB, "train.wall_s": 60.0}
    )


def test_both_floors_hold(tmp_path: Path) -> None:
    system, named = write(tmp_path / "s.toml", "raw_data = '1GiB'"), write(tmp_path / "n.toml", "isolate_seeds = true")
    assert [f.source for f in read(named, system)] == [str(system), str(named)]


def test_a_shipped_policy_is_a_floor_for_itself() -> None:
    for name in policy.shipped():
        values = floor.flat(policy.load(name))
        assert enforce(policy.load(name), [Floor(name, values)]).name == name


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("raw_data = ", "not TOML"),
        ("memory = '1GiB'", "memory: unknown key"),
        ("[train]\nmemmory = '1GiB'", "train.memmory: unknown key"),
        ("[gpu]\ndevice = 1", "gpu.device: unknown key"),
        ("[gpu]\ndevices = -1", "gpu.devices:"),
        ("[gpu]\nfiles = ['/etc/shadow']", "gpu.files.0:"),
        ("[gpu]\nnodes = 'nvidiactl'", "gpu.nodes:"),
        ("[rooms]\nmemory = '1GiB'", "rooms: unknown key"),
        ("[train]\nmemory = 'much'", "train.memory:"),
        ("[train]\ncpus = nan", "train.cpus:"),
        ("runtime = 'kata'", "runtime:"),
        ("train = 3", "train:"),
        ("[train]\nmemory = '-1GiB'", "train.memory:"),
        ("[train]\npids = -1", "train.pids:"),
        ("raw_data = 1\nraw_data = 2", "not TOML"),
        ("x = " + "[" * 100_000, "nested too deeply"),
        (f"raw_data = {'9' * 5000}", "not TOML"),
        (f"# {'x' * 2**20}", "larger than"),
        ("[llm]\nhost = ['a']", "llm.host: unknown key"),
        ("[llm]\nhosts = 'a.example'", "llm.hosts:"),
        ("[llm]\nhosts = ['https://a.example']", "llm.hosts.0:"),
        ("[llm]\nhosts = ['a.example:80']", "llm.hosts.0:"),
        ("[llm]\nhosts = ['*.example']", "llm.hosts.0:"),
        ("[llm]\nsend_names = 'no'", "llm.send_names:"),
        ("llm = false", "llm:"),
    ],
)
def test_a_floor_that_cannot_be_understood_is_refused(tmp_path: Path, content: str, why: str) -> None:
    assert why in refusal(write(tmp_path / "f.toml", content))


def test_a_floor_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.toml"
    path.write_bytes(b"name = '\xff'")
    assert "not UTF-8" in refusal(path)


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666, 0o622])
def test_a_floor_that_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    assert "others can write to it" in refusal(write(tmp_path / "f.toml", "", mode))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_floor_of_another_user_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "f.toml", "")
    os.chown(path, 12345, -1)
    assert "belongs to user 12345" in refusal(path)


def test_a_floor_that_is_named_and_not_there_is_refused(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "missing.toml")


def test_a_folder_or_a_pipe_is_no_floor(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "not a regular file" in refusal(tmp_path / "pipe")
    (tmp_path / "folder").mkdir(mode=0o700)
    assert "is a directory" in refusal(tmp_path / "folder").lower()


def test_a_floor_in_a_folder_that_others_can_write_to_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "f.toml", "")
    tmp_path.chmod(0o777)
    assert "in which others can put another file in its place" in refusal(path)
    tmp_path.chmod(0o1777)
    assert read(path)


def test_a_floor_that_this_user_may_not_read_is_refused_and_not_taken_for_none() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        path = write(Path(folder, "f.toml"), "", 0o600 if os.geteuid() == 0 else 0)

        def look() -> int:
            try:
                return len(floor.read({}, path))
            except PolicyError as error:
                print(error.what)
                return error.exit_code

        done = as_nobody(look)
    assert (done.code, "it cannot be read: Permission denied" in done.out) == (2, True)


def test_a_run_is_refused_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(floor.VARIABLE, str(write(tmp_path / "f.toml", "[train]\nmemory = '1GiB'\n")))
    monkeypatch.chdir(tmp_path)
    rest = {"metric": None, "target": None, "max_iterations": 1, "num_seeds": 1}
    with pytest.raises(PolicyError, match=r"train\.memory is 6442450944 \(6\.0GiB\), and .*f\.toml allows at most"):
        session.settings("Classify digits", data="digits", name=None, planner="search", policy="standard", **rest)
    assert [path.name for path in tmp_path.iterdir()] == ["f.toml"]


# ---- language models -------------------------------------------------------------------------------------------------


def of_llm(**values: Any) -> Floor:
    return Floor("f", {f"llm.{key}": value for key, value in values.items()})


def test_without_a_floor_any_host_may_be_asked_and_names_be_sent() -> None:
    free = floor.llm([Floor("f", {"train.memory": 1})])
    assert (free.hosts, free.send_names) == (None, True)
    assert free.permits("http://anything.example/")


def test_a_floor_names_hosts_and_forbids_names(tmp_path: Path) -> None:
    text = '[llm]\nhosts = ["LLM.Example.org", "127.0.0.1", "::1"]\nsend_names = false\n'
    (found,) = read(write(tmp_path / "f.toml", text))
    models = floor.llm([found])
    assert models.hosts == {"llm.example.org", "127.0.0.1", "::1"}
    assert not models.send_names
    assert enforce(policy.load("standard"), [found])


HOSTS = st.sets(st.sampled_from(["a.example", "b.example", "c.example"])).map(tuple)


@given(st.lists(st.tuples(st.none() | HOSTS, st.none() | st.booleans()), max_size=3))
def test_of_several_floors_every_one_must_agree(parts: list[tuple[Any, Any]]) -> None:
    there = [
        of_llm(**{key: it for key, it in (("hosts", hosts), ("send_names", names)) if it is not None})
        for hosts, names in parts
    ]
    together = floor.llm(there)
    assert together.send_names == all(floor.llm([it]).send_names for it in there)
    for host in ("a.example", "b.example", "other.example"):
        url = f"https://{host}/v1"
        assert together.permits(url) == all(floor.llm([it]).permits(url) for it in there)


def test_an_empty_list_of_hosts_permits_none() -> None:
    assert not floor.llm([of_llm(hosts=())]).permits("http://127.0.0.1/")


@pytest.mark.parametrize(
    "url", ["https://llm.example", "http://LLM.example:8080/v1?x=1", "https://llm.example/a/b", "http://[::1]:11434/v1"]
)
def test_a_host_that_is_named_is_permitted_whatever_its_port_and_path(url: str) -> None:
    assert floor.llm([of_llm(hosts=("llm.example", "::1"))]).permits(url)


@pytest.mark.parametrize(
    "url",
    [
        *("https://evil.example/llm.example", "https://llm.example.evil.example/", "https://evil-llm.example/"),
        *(
            "https://llm.example@evil.example/",
            "https://evil.example#@llm.example/",
            "https://llm.example:1@evil.example",
        ),
        *(
            "https://evil.example\\@llm.example/",
            "https://llm.example\\.evil.example",
            "https://llm.example%2eevil.example/",
        ),
        *(
            "https://llm.example\n.evil.example/",
            " https://llm.example/",
            "https://llm.example\t/",
            "https://llm。example/",
        ),
        *(
            "ftp://llm.example/",
            "llm.example",
            "//llm.example/",
            "",
            "https://",
            "https:///llm.example",
            "http://[llm.example]/",
        ),
        *(
            "https://llm.example:port/",
            "https://llm.example.",
            "https://\u017fllm.example/",
            "HTTPS://llm.example\u212a/",
        ),
    ],
)
def test_any_other_address_is_not(url: str) -> None:
    assert not floor.llm([of_llm(hosts=("llm.example",))]).permits(url)
