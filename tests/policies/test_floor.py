"""No policy that passes its floors is looser than one of them anywhere; a floor that cannot be trusted is refused."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fumehood import floor, policy, session
from fumehood.errors import PolicyError
from fumehood.floor import Floor, enforce
from fumehood.policy import GpuAccess, Policy, RoomLimits

pytestmark = pytest.mark.unit

MIB = 1024 * 1024
ROOMS = ("prepare", "train", "predict")
STANDARD = policy.load("standard").model_dump()
TABLES = ("gpu", *ROOMS)
LISTS = {
    "gpu.nodes": ["nvidiactl", "nvidia-uvm", "nvidia-caps/nvidia-cap*"],
    "gpu.files": ["/usr/lib64/libcuda.so.*", "/usr/lib64/libnvidia-*.so.*", "/usr/bin/nvidia-smi"],
}
KEYS = ["raw_data", "gpu.devices", *(f"{room}.{key}" for room in ROOMS for key in RoomLimits.model_fields)]

amounts = st.integers(min_value=1, max_value=64)


@st.composite
def room_limits(draw: st.DrawFn) -> dict[str, Any]:
    """Few distinct values, so that equal, tighter and looser ones all occur."""
    exchange = draw(amounts)
    small = {key: draw(amounts) * 64 for key in ("inodes", "nofile", "pids")}
    times = {key: float(draw(amounts)) for key in ("cpus", "ready_s", "wall_s")}
    sizes = {key: draw(amounts) * MIB for key in ("tmp", "shm", "file", "output")}
    return {**small, **times, **sizes, "exchange": exchange * MIB, "memory": (exchange + draw(amounts)) * MIB}


@st.composite
def gpu_access(draw: st.DrawFn) -> dict[str, Any]:
    """Few devices and short lists, so that one is often part of another."""
    lists = {key.removeprefix("gpu."): tuple(draw(st.sets(st.sampled_from(some)))) for key, some in LISTS.items()}
    return {**lists, "devices": draw(st.integers(0, 4)), "on_request": draw(st.booleans())}


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    rooms = {"gpu": draw(gpu_access()), **{room: draw(room_limits()) for room in ROOMS}}
    runtime, isolate = draw(st.sampled_from(["runc", "runsc"])), draw(st.booleans())
    return Policy.model_validate(
        {**STANDARD, **rooms, "runtime": runtime, "isolate_seeds": isolate, "raw_data": draw(amounts) * MIB}
    )


@st.composite
def floors(draw: st.DrawFn) -> Floor:
    """Any part of any policy."""
    whole = flat(draw(policies()).model_dump())
    return Floor("floor.toml", {key: whole[key] for key in draw(st.sets(st.sampled_from(sorted(whole))))})


def flat(values: dict[str, Any]) -> dict[str, Any]:
    tables = {f"{table}.{key}": value for table in TABLES for key, value in values[table].items()}
    return {**{key: value for key, value in values.items() if key not in TABLES}, **tables}


def looser(key: str, asked: Any, limit: Any) -> bool:
    """Written down anew, in the words of the documentation."""
    if key in ("name", "description"):
        return False
    if key == "runtime":
        return (asked, limit) == ("runc", "runsc")
    if key in ("isolate_seeds", "gpu.on_request"):
        return limit is True and asked is False
    if key in LISTS:
        return any(entry not in limit for entry in asked)
    return asked != limit if key == "seccomp" else asked > limit


@given(policies(), st.lists(floors(), max_size=2))
def test_what_comes_out_is_the_policy_and_nowhere_looser_than_a_floor(given: Policy, bounds: list[Floor]) -> None:
    asked = flat(given.model_dump())
    broken = [key for bound in bounds for key, limit in bound.values.items() if looser(key, asked[key], limit)]
    if not broken:
        assert enforce(given, bounds) is given
        return
    with pytest.raises(PolicyError) as refused:
        enforce(given, bounds)
    assert all(f"{key} is " in refused.value.what for key in broken)


@given(policies(), policies())
def test_two_floors_bind_as_their_tightest_values_do(given: Policy, other: Policy) -> None:
    one, two = Floor("one", flat(given.model_dump())), Floor("two", flat(other.model_dump()))
    tightest = {key: min(one.values[key], two.values[key]) for key in KEYS}
    judged = Policy.model_validate({**STANDARD, "runtime": "runsc", "isolate_seeds": True})
    only = [Floor(f.source, {key: f.values[key] for key in KEYS}) for f in (one, two)]
    assert allowed(judged, only) == allowed(judged, [Floor("both", tightest)])
    assert allowed(given, only) == allowed(given, [Floor("both", tightest)])


def allowed(given: Policy, bounds: list[Floor]) -> bool:
    try:
        enforce(given, bounds)
    except PolicyError:
        return False
    return True


@pytest.mark.parametrize("key", KEYS)
def test_one_unit_more_than_a_floor_is_refused_with_field_values_and_file(key: str) -> None:
    given = policy.load("gpu")
    value = flat(given.model_dump())[key]
    assert enforce(given, [Floor("/etc/floor.toml", {key: value})]) is given
    with pytest.raises(PolicyError) as refusal:
        enforce(given, [Floor("/etc/floor.toml", {key: value - 1})])
    assert refusal.value.exit_code == 2
    assert f"{key} is {value}" in refusal.value.what
    assert "/etc/floor.toml allows at most " in refusal.value.what
    assert str(value - 1) in refusal.value.what


def test_every_field_of_a_policy_can_be_bounded() -> None:
    others = {"name", "description", "runtime", "seccomp", "isolate_seeds", "gpu.on_request", *LISTS}
    assert set(flat(STANDARD)) == {*KEYS, *others}
    assert {key.removeprefix("gpu.") for key in flat(STANDARD) if key.startswith("gpu.")} == set(GpuAccess.model_fields)


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
        values = flat(policy.load(name).model_dump())
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


def test_a_run_is_refused_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(floor.VARIABLE, str(write(tmp_path / "f.toml", "[train]\nmemory = '1GiB'\n")))
    monkeypatch.chdir(tmp_path)
    rest = {"metric": None, "target": None, "max_iterations": 1, "num_seeds": 1}
    with pytest.raises(PolicyError, match=r"train\.memory is 6442450944 \(6\.0GiB\), and .*f\.toml allows at most"):
        session.settings("Classify digits", data="digits", name=None, planner="search", policy="standard", **rest)
    assert [path.name for path in tmp_path.iterdir()] == ["f.toml"]
