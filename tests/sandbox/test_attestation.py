"""A room whose own account differs from the policy in any single field is refused, and the field is named."""

import pytest
from cages import a_cage, attested

from fumehood.sandbox.attestation import differences
from fumehood_shared import paths
from fumehood_shared.messages import Attestation, MountFact

pytestmark = pytest.mark.unit
CAGE = a_cage()
NOT_JUDGED = {"version", "kernel", "versions", "rlimits", "mounts", "devices", "gpus", "confinement"}
"""Told for the record, or judged entry by entry below; GPUs and confinement in files of their own."""
WRONG = {
    "role": "predict",
    "uid": 0,
    "gid": 0,
    "groups": (0,),
    "no_new_privs": 0,
    "seccomp": 0,
    "cap_effective": "00000000a80425fb",
    "cap_permitted": "00000000a80425fb",
    "cap_inheritable": "0000000000000001",
    "cap_bounding": "000001ffffffffff",
    "cap_ambient": "0000000000000001",
    "interfaces": ("eth0", "lo"),
    "pid": 7,
    "dumpable": 1,
    "environment": ("LD_PRELOAD",),
    "root_writable": True,
    "exchange_bytes": int(CAGE.limits.exchange) * 2,
    "handover_bytes": 0,
    "memory_limit": int(CAGE.limits.memory) * 2,
    "pids_limit": CAGE.limits.pids + 1,
    "hostname": "server",
    "cuda": "works",
}


def found(**changes):
    return differences(CAGE, attested(CAGE, **changes))


def with_mounts(change):
    """Differences after ``change`` of one mount: a function from MountFact to MountFact or None."""
    mounts = [change(mount) for mount in attested(CAGE).mounts]
    return found(mounts=tuple(m for m in mounts if m is not None))


@pytest.mark.parametrize("role", ["prepare", "train", "predict"])
def test_a_room_as_asked_is_accepted(role):
    cage = a_cage(role=role)
    assert differences(cage, attested(cage)) == []


def test_every_field_is_judged_or_known_not_to_be():
    assert set(Attestation.model_fields) == set(WRONG) | NOT_JUDGED


@pytest.mark.parametrize("field", sorted(WRONG))
def test_a_wrong_field_is_the_one_that_is_named(field):
    problems = found(**{field: WRONG[field]})
    assert len(problems) == 1
    assert problems[0].startswith(f"{field}: expected ")


@pytest.mark.parametrize("field", ["no_new_privs", "seccomp", "memory_limit", "pids_limit"])
def test_what_the_kernel_does_not_show_is_not_assumed(field):
    assert found(**{field: None})[0].startswith(f"{field}: expected ")


def test_no_network_at_all_is_no_loopback_either():
    assert found(interfaces=())[0].startswith("interfaces:")


@pytest.mark.parametrize("name", ["nofile", "fsize", "core"])
def test_a_missing_or_raised_resource_limit_is_named(name):
    usual = attested(CAGE).rlimits
    assert found(rlimits={k: v for k, v in usual.items() if k != name})[0].startswith(f"rlimits.{name}:")
    soft, hard = usual[name]
    assert found(rlimits={**usual, name: (soft, hard + 1)})[0].startswith(f"rlimits.{name}:")


@pytest.mark.parametrize("device", ["kmsg", "mem", "sda", "fuse", "nvidia0", "net/tun", "kvm", "docker.sock"])
def test_a_device_of_the_host_is_named(device):
    assert found(devices=("null", device)) == [f"devices: {device} is not expected"]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/run/docker.sock", "tmpfs"),
        ("/host", "ext4"),
        ("/exchange/in", "tmpfs"),
        ("/tmp", "ext4"),
        ("/exchange", "ext4"),
        ("/proc", "ext4"),
        ("/sys/fs/bpf", "bpf"),
        ("/proc/1", "fuse"),
        ("/dev", "devtmpfs"),
    ],
)
def test_a_mount_that_was_not_asked_for_is_named(path, kind):
    added = MountFact(path=path, fstype=kind, options=("ro", "noexec", "nosuid", "nodev"))
    assert found(mounts=(*attested(CAGE).mounts, added)) == [f"mounts: {path} ({kind}) is not expected"]


@pytest.mark.parametrize("path", ["/", paths.EXCHANGE, "/tmp", paths.DATA])
def test_a_mount_that_is_missing_is_named(path):
    assert with_mounts(lambda m: None if m.path == path else m) == [f"mounts: {path} is missing"]


@pytest.mark.parametrize(
    ("path", "option"),
    [
        ("/", "ro"),
        ("/etc/hosts", "ro"),
        (paths.DATA, "ro"),
        ("/sys", "ro"),
        ("/proc/sys", "ro"),
        *((path, option) for path in (paths.EXCHANGE, "/tmp", "/dev/shm") for option in ("noexec", "nosuid", "nodev")),
        *(("/proc", option) for option in ("noexec", "nosuid", "nodev")),
        ("/dev", "nosuid"),
    ],
)
def test_a_lost_mount_option_is_named(path, option):
    def drop(mount):
        if mount.path != path:
            return mount
        return mount.model_copy(update={"options": tuple(o for o in mount.options if o != option)})

    assert with_mounts(drop) == [f"mounts: {path} lacks {option}"]


def test_a_room_without_training_data_may_not_see_any():
    cage = a_cage(role="predict", data=None)
    data = MountFact(path=paths.DATA, fstype="ext4", options=("ro",))
    seen = attested(cage)
    problems = differences(cage, seen.model_copy(update={"mounts": (*seen.mounts, data)}))
    assert problems == [f"mounts: {paths.DATA} (ext4) is not expected"]
