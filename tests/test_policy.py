"""A policy permits only what it says, and one that cannot be understood permits nothing."""

import os
import re
import tempfile
import tomllib
from pathlib import Path

import pytest

from fumehood import assets, policy
from fumehood.errors import PolicyError
from nobody import as_nobody

pytestmark = pytest.mark.unit
STANDARD = (assets.policies() / "standard.toml").read_text(encoding="utf-8")
KEYS = tomllib.loads(STANDARD)


@pytest.fixture
def load(tmp_path):
    def load_text(text):
        path = tmp_path / "mine.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return policy.load(str(path))

    return load_text


@pytest.fixture
def refusal(load):
    def message(text):
        with pytest.raises(PolicyError) as caught:
            load(text)
        assert caught.value.exit_code == 2
        return caught.value.what

    return message


def changed(key, value, table=None):
    """The standard policy with one line of ``table`` replaced (None: removed)."""
    head, mark, rest = STANDARD.partition(f"[{table}]\n") if table else ("", "", STANDARD)
    line = "" if value is None else f"{key} = {value}"
    edited, count = re.subn(rf"(?m)^{key} *=.*$", line, rest, count=1)
    assert count == 1
    return head + mark + edited


@pytest.mark.parametrize("name", policy.shipped())
def test_every_shipped_policy_loads_under_its_own_name(name):
    assert policy.load(name).name == name


def test_there_is_a_standard_policy():
    assert "standard" in policy.shipped()


def test_an_empty_policy_permits_nothing(refusal):
    message = refusal("")
    assert all(f"{key}: missing key" in message for key in KEYS)


@pytest.mark.parametrize("key", [k for k, v in KEYS.items() if not isinstance(v, dict)])
def test_a_missing_key_is_named(refusal, key):
    assert refusal(changed(key, None)).endswith(f": {key}: missing key")


@pytest.mark.parametrize("table", ["prepare", "train", "predict"])
@pytest.mark.parametrize("key", list(KEYS["train"]))
def test_a_missing_limit_is_named_with_its_room(refusal, table, key):
    assert refusal(changed(key, None, table)).endswith(f": {table}.{key}: missing key")


@pytest.mark.parametrize("key", list(KEYS["gpu"]))
def test_every_policy_has_to_say_what_of_a_gpu_it_allows(refusal, key):
    assert refusal(changed(key, None, "gpu")).endswith(f": gpu.{key}: missing key")


def test_only_the_policy_for_gpus_gives_them_without_being_asked():
    by_itself = {name for name in policy.shipped() if not policy.load(name).gpu.on_request}
    assert by_itself == {"gpu"}
    assert {name for name in policy.shipped() if policy.load(name).gpu.devices} == {"gpu", "strict"}
    assert all(not (p.gpu.nodes or p.gpu.files) for p in map(policy.load, policy.shipped()) if not p.gpu.devices)


def test_the_policy_for_gpus_is_the_standard_one_but_for_gpus():
    standard, gpu = policy.load("standard").model_dump(), policy.load("gpu").model_dump()
    assert {key for key in standard if standard[key] != gpu[key]} == {"name", "description", "seccomp", "gpu"}


@pytest.mark.parametrize(
    "path",
    ["/etc/shadow", "/home/me/nvidia.key", "/usr/lib/../../root/nvidia", "nvidia.so", "/", "/*", "/usr/*", "/usr/lib*",
     "/var/run/docker.sock", "/tmp/nvidia-mps", "/usr/lib64/libc.so.6", "/usr/lib/nvidia x", ""],
)  # fmt: skip
def test_no_policy_can_let_in_a_file_that_is_not_the_drivers(refusal, path):
    assert "gpu.files.0: " in refusal(changed("files", f'["{path}"]', "gpu"))


@pytest.mark.parametrize(
    "name", ["sda", "mem", "nvidia", "nvidia0", "nvidia*", "nvidia[0-9]", "../mem", "kvm", "dri/card0"]
)
def test_no_policy_can_let_in_a_node_that_is_not_the_drivers_or_is_a_gpu(refusal, name):
    assert "gpu.nodes.0: " in refusal(changed("nodes", f'["{name}"]', "gpu"))


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("/usr/lib64/libcuda.so.*", "/usr/lib64/libcuda.so.1", True),
        ("/usr/lib64/libcuda.so.*", "/usr/lib64/libcuda.so.1/../x", False),
        ("/usr/lib64/libcuda.so.*", "/usr/lib64/libcudaXso.1", False),
        ("/lib/firmware/nvidia/*/gsp*.bin", "/lib/firmware/nvidia/570/gsp_ga10x.bin", True),
        ("/lib/firmware/nvidia/*/gsp*.bin", "/lib/firmware/nvidia/570/x/gsp_ga10x.bin", False),
        ("nvidia-caps/nvidia-cap*", "nvidia-caps/nvidia-cap21", True),
    ],
)
def test_a_star_stands_for_part_of_a_name_only(pattern, path, fits):
    assert policy.matches(path, (pattern,)) is fits


@pytest.mark.parametrize("key", ["network", "privileged", "capabilities", "mounts", "read_only", "no_new_privileges"])
def test_what_no_policy_can_switch_on_has_no_key(refusal, key):
    assert f"{key}: unknown key" in refusal(f"{key} = true\n{STANDARD}")
    assert f"predict.{key}: unknown key" in refusal(f"{STANDARD}\n{key} = true\n")


@pytest.mark.parametrize("table", ["prepare", "train", "predict"])
@pytest.mark.parametrize("size", ["6GiB", "7GiB"])
def test_an_exchange_as_large_as_the_memory_is_refused(refusal, table, size):
    text = changed("memory", '"6GiB"', table)
    head, mark, rest = text.partition(f"[{table}]\n")
    text = head + mark + re.sub(r"(?m)^exchange *=.*$", f'exchange = "{size}"', rest, count=1)
    assert f"{table}: " in refusal(text)
    assert "exchange must be smaller than memory" in refusal(text)


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ('"6GiB"', 6 * 2**30),
        ('"6GB"', 6 * 10**9),
        ('"8192MiB"', 2**33),
        ('"7.5GiB"', 15 * 2**29),
        ("8589934592", 2**33),
    ],
)
def test_sizes_are_read_in_the_usual_units(load, written, size):
    assert load(changed("memory", written, "train")).train.memory == size


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("memory", '"much"'),
        ("memory", '"-6GiB"'),
        ("memory", "0"),
        ("memory", '"2000PiB"'),
        ("pids", "0"),
        ("pids", "-1"),
        ("pids", "1.5"),
        ("pids", "true"),
        ("cpus", "0"),
        ("cpus", "nan"),
        ("cpus", "inf"),
        ("wall_s", "0"),
        ("wall_s", "inf"),
        ("nofile", '"many"'),
        ("inodes", "[]"),
    ],
)
def test_a_value_that_is_no_limit_is_named(refusal, key, value):
    assert f"train.{key}: " in refusal(changed(key, value, "train"))


@pytest.mark.parametrize(("key", "value"), [("runtime", '"crun"'), ("seccomp", '"unconfined"'), ("name", '"a b"')])
def test_a_choice_that_there_is_not_is_named(refusal, key, value):
    assert f"{key}: " in refusal(changed(key, value))


def test_a_policy_cannot_be_changed_once_read():
    with pytest.raises(ValueError, match="frozen"):
        policy.load("standard").train.memory = 0


def test_what_a_room_may_take_from_the_host_counts_everything_in_memory(load):
    limits = load(changed("memory", '"6GiB"', "train")).train
    assert limits.host_bytes == 6 * 2**30 + limits.tmp + limits.exchange + limits.shm


@pytest.mark.parametrize("name", ["strictest", "", ".", "/", "/nowhere/at-all.toml", "x" * 300, "a\0b", "../standard"])
def test_a_policy_that_is_not_there_lists_those_that_are(name):
    with pytest.raises(PolicyError) as caught:
        policy.load(name)
    assert "standard" in caught.value.hint


@pytest.mark.parametrize("text", ["name = ", "[train", "a = 1\na = 2", "\x00"])
def test_what_is_not_toml_is_said_to_be_so(refusal, text):
    assert "is not TOML" in refusal(text)


def test_what_is_not_text_is_said_to_be_so(refusal):
    assert "is not UTF-8 text" in refusal(b"\xff\xfe")


@pytest.mark.parametrize("text", ["x = " + "[" * 100_000, "x = " + "9" * 10_000, "#" * 2**20 + "\n"])
def test_a_file_made_to_tire_the_reader_is_refused(refusal, text):
    assert "is not TOML" in refusal(text) or "is larger than" in refusal(text)


def test_a_file_that_this_user_may_not_read_is_said_to_be_so():
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        path = Path(folder, "mine.toml")
        path.write_text(STANDARD)
        path.chmod(0o600 if os.geteuid() == 0 else 0)

        def load():
            try:
                policy.load(str(path))
            except PolicyError as error:
                print(error.what)
                return error.exit_code
            return 0

        done = as_nobody(load)
    assert (done.code, "cannot be read: Permission denied" in done.out) == (2, True)


def test_a_data_file_that_no_prepare_room_can_take_in_is_refused(refusal):
    assert "raw_data must fit into prepare.exchange" in refusal(changed("raw_data", '"4GiB"'))


def test_every_key_says_what_it_means():
    for model in (policy.Policy, policy.GpuAccess, policy.RoomLimits):
        assert [name for name, field in model.model_fields.items() if not field.description] == []
