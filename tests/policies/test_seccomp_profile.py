"""The shipped seccomp profile as a text: an allow-list, without contradictions, that names nothing dangerous."""

import json
from collections import Counter
from typing import Any

import pytest

from fumehood import assets, policy
from fumehood.sandbox import seccomp

pytestmark = pytest.mark.unit

PROFILES = sorted(path.name for path in assets.policies().glob("*.json"))
NEVER_TEXT = """
ptrace process_vm_readv process_vm_writev process_madvise process_mrelease kcmp pidfd_getfd pidfd_open
pidfd_send_signal bpf perf_event_open keyctl add_key request_key userfaultfd io_uring_setup io_uring_enter
io_uring_register unshare setns mount umount umount2 open_tree open_tree_attr move_mount fsopen fsconfig fsmount
fspick mount_setattr statmount listmount pivot_root chroot open_by_handle_at name_to_handle_at kexec_load
kexec_file_load init_module finit_module delete_module create_module query_module reboot swapon swapoff iopl ioperm
personality mknod mknodat acct quotactl quotactl_fd nfsservctl seccomp fanotify_init fanotify_mark inotify_init
inotify_init1 inotify_add_watch memfd_create memfd_secret execveat set_mempolicy set_mempolicy_home_node mbind
get_mempolicy migrate_pages move_pages modify_ldt uselib lookup_dcookie syslog _sysctl vhangup sethostname
setdomainname settimeofday clock_settime clock_adjtime adjtimex stime vm86 vm86old flock vmsplice splice tee sync
syncfs shmget shmat shmctl semget semop semctl msgget msgsnd msgrcv mq_open landlock_create_ruleset
landlock_restrict_self setuid setgid setreuid setregid setresuid setresgid setfsuid setfsgid setgroups capset
"""
NEVER = frozenset(NEVER_TEXT.split())
ADDED_FOR_CUDA = {"memfd_create": 1, "ioctl": 50}
"""What the profile for CUDA lets through beside the ordinary one's, and in how many rules."""
FILTERED = {"clone", "prctl", "fcntl", "ioctl", "prlimit64", "socket", "socketpair"}
"""Let through by argument only."""


def rules(name: str) -> list[dict[str, Any]]:
    return list(json.loads(seccomp.profile(name))["syscalls"])


def allowed(name: str) -> list[dict[str, Any]]:
    return [rule for rule in rules(name) if rule["action"] == "SCMP_ACT_ALLOW"]


def test_every_shipped_policy_names_a_shipped_profile() -> None:
    assert {policy.load(name).seccomp for name in policy.shipped()} <= set(PROFILES)


@pytest.mark.parametrize("name", PROFILES)
def test_what_is_not_named_is_refused_and_only_one_architecture_is_known(name: str) -> None:
    profile = json.loads(seccomp.profile(name))
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    assert profile["architectures"] == ["SCMP_ARCH_X86_64"]
    assert set(profile) == {"defaultAction", "architectures", "syscalls"}


@pytest.mark.parametrize("name", PROFILES)
def test_nothing_dangerous_is_let_through(name: str) -> None:
    added = set(ADDED_FOR_CUDA) if name == "seccomp-cuda.json" else set()
    assert {call for rule in allowed(name) for call in rule["names"]} & NEVER <= added


@pytest.mark.parametrize("name", PROFILES)
def test_no_call_is_named_twice_unless_told_apart_by_its_arguments(name: str) -> None:
    plain = Counter(call for rule in rules(name) for call in rule["names"] if "args" not in rule)
    by_argument = {call for rule in rules(name) for call in rule["names"] if "args" in rule}
    assert [call for call, times in plain.items() if times > 1] == []
    assert by_argument & set(plain) == set(), "a rule without arguments would make the others void"
    told_apart = [json.dumps([call, rule["args"]]) for rule in rules(name) if "args" in rule for call in rule["names"]]
    assert len(told_apart) == len(set(told_apart))


@pytest.mark.parametrize("name", PROFILES)
def test_calls_that_do_many_things_are_let_through_by_argument_only(name: str) -> None:
    added = set(ADDED_FOR_CUDA) if name == "seccomp-cuda.json" else set()
    assert {call for rule in allowed(name) if "args" in rule for call in rule["names"]} == FILTERED | added


def test_the_profile_for_cuda_is_the_ordinary_one_and_a_few_rules_more_each_bound_to_arguments() -> None:
    ordinary, cuda = rules("seccomp.json"), rules("seccomp-cuda.json")
    assert cuda[: len(ordinary)] == ordinary
    more = cuda[len(ordinary) :]
    assert Counter(call for rule in more for call in rule["names"]) == ADDED_FOR_CUDA
    assert all(rule["args"] and rule["action"] == "SCMP_ACT_ALLOW" for rule in more)


def test_the_ioctls_for_cuda_are_the_drivers_own_numbers() -> None:
    """Type F with both directions, any size, or a small number of the memory manager's: no terminal's, no disk's."""
    more = [rule for rule in allowed("seccomp-cuda.json") if rule not in allowed("seccomp.json")]
    for rule in more:
        (argument,) = rule["args"]
        if rule["names"] != ["ioctl"]:
            continue
        assert argument["index"] == 1
        if argument["op"] == "SCMP_CMP_MASKED_EQ":
            assert argument["value"] == 0xFFFF_FFFF_C000_FFFF
            assert argument["valueTwo"] & ~0xFF == 0xC000_4600
        else:
            assert argument["value"] in (0x3000_0001, 0x3000_0002) or 23 <= argument["value"] <= 75
            assert argument["value"] not in (62, 63), "UVM_TOOLS_READ/WRITE_PROCESS_MEMORY: other processes' memory"


@pytest.mark.parametrize("flags", [0x4, 0x10, 0x20, 1 << 40])
def test_memory_without_a_file_has_no_huge_pages_and_no_unknown_flags(flags: int) -> None:
    (rule,) = (rule for rule in allowed("seccomp-cuda.json") if rule["names"] == ["memfd_create"])
    (mask,) = rule["args"]
    assert (mask["index"], mask["op"], mask["valueTwo"]) == (1, "SCMP_CMP_MASKED_EQ", 0)
    assert mask["value"] & flags
    assert not mask["value"] & 0xB, "close-on-exec, sealing and no-exec may be asked for"


@pytest.mark.parametrize("name", PROFILES)
def test_every_rule_says_why(name: str) -> None:
    assert all(rule["comment"] for rule in rules(name))


@pytest.mark.parametrize("name", PROFILES)
def test_clone3_is_answered_as_if_the_kernel_were_older(name: str) -> None:
    (rule,) = (rule for rule in rules(name) if "clone3" in rule["names"])
    assert (rule["action"], rule["errnoRet"]) == ("SCMP_ACT_ERRNO", 38)


@pytest.mark.parametrize(
    "flag", [0x2000, 0x2_0000, 0x200_0000, 0x400_0000, 0x800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000]
)
def test_clone_cannot_make_a_namespace_or_a_tracer(flag: int) -> None:
    ((mask,),) = (rule["args"] for rule in allowed("seccomp.json") if "clone" in rule["names"])
    assert mask["index"] == 0
    assert mask["op"] == "SCMP_CMP_MASKED_EQ"
    assert mask["value"] & flag
    assert mask["valueTwo"] == 0


@pytest.mark.parametrize("name", ["unconfined", "../seccomp.json", "/etc/passwd", "other.json", "engine-default", ""])
def test_a_policy_cannot_name_a_profile_that_is_not_shipped(name: str) -> None:
    given = policy.load("standard").model_dump()
    with pytest.raises(ValueError, match="seccomp"):
        policy.Policy.model_validate({**given, "seccomp": name})
