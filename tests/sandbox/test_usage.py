"""What a room used is read from its own cgroup, and from no other one."""

import pytest

from fumehood.sandbox.usage import Usage, from_files

pytestmark = pytest.mark.unit
ROOM = "c0ffee" * 10


@pytest.fixture
def files(tmp_path):
    def write(**content):
        for name, text in content.items():
            path = tmp_path / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return {"container": ROOM, "pid": 7, "proc": tmp_path / "proc", "tree": tmp_path / "tree"}

    return write


def test_version_1_has_a_tree_for_every_controller(files):
    lines = f"5:memory:/docker/{ROOM}\n3:cpu,cpuacct:/docker/{ROOM}\n0::/system.slice\n"
    place = files(
        proc__7__cgroup=lines,
        **{f"tree__cpuacct__docker__{ROOM}__cpuacct_dot_usage": "1500000000\n"},
        **{f"tree__memory__docker__{ROOM}__memory_dot_max_usage_in_bytes": "4096\n"},
        **{f"tree__memory__docker__{ROOM}__memory_dot_oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"},
    )
    assert from_files(**place) == Usage(1.5, 4096, 2)


@pytest.mark.parametrize("peak", [None, 8192])
def test_version_2_has_one_tree_and_on_old_kernels_no_peak(files, peak):
    scope = f"tree__system_dot_slice__docker-{ROOM}_dot_scope"
    given = {"proc__7__cgroup": f"0::/system.slice/docker-{ROOM}.scope\n"}
    given[f"{scope}__cpu_dot_stat"] = "usage_usec 2500000\nuser_usec 1\n"
    given[f"{scope}__memory_dot_events"] = "low 0\nhigh 0\nmax 3\noom 1\noom_kill 1\noom_group_kill 0\n"
    if peak:
        given[f"{scope}__memory_dot_peak"] = f"{peak}\n"
    assert from_files(**files(**given)) == Usage(2.5, peak, 1)


def test_a_process_of_the_same_number_that_is_not_the_rooms_is_not_believed(files):
    place = files(proc__7__cgroup="0::/user.slice\n", **{"tree__user_dot_slice__cpu_dot_stat": "usage_usec 2500000\n"})
    assert from_files(**place) is None


def test_without_such_a_process_or_its_files_nothing_is_known(files):
    assert from_files(**files()) is None
    assert from_files(**files(proc__7__cgroup=f"0::/docker/{ROOM}\n")) is None
