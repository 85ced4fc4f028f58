"""System calls that no training needs are refused in a room, by the filter alone; what training needs still works."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import docker
import pytest
from containers import client, run

from fumehood.sandbox.seccomp import profile

__all__ = ["client"]

pytestmark = [pytest.mark.attacks, pytest.mark.integration]

HERE, FD, PARENT = -100, -1, 1
"""``AT_FDCWD``, a descriptor that cannot be, and the process that the probes are children of."""

REFUSED = {
    # other processes
    "ptrace": (101, 0, 0, 0, 0),
    "process_vm_readv": (310, PARENT, 0, 0, 0, 0, 0),
    "process_vm_writev": (311, PARENT, 0, 0, 0, 0, 0),
    "kcmp": (312, 1, 1, 0, 0, 0),
    "pidfd_open": (434, PARENT, 0),
    "pidfd_getfd": (438, FD, 0, 0),
    "pidfd_send_signal": (424, FD, 0, 0, 0),
    "process_madvise": (440, FD, 0, 0, 0, 0),
    "rt_sigqueueinfo": (129, PARENT, 0, 0),
    "prlimit64 of the supervisor": (302, PARENT, 7, 0, 0),
    "setpriority": (141, 0, 0, 5),
    # large interfaces of the kernel
    "bpf": (321, 999, 0, 0),
    "perf_event_open": (298, 0, 0, -1, -1, 0),
    "userfaultfd": (323, 1),
    "io_uring_setup": (425, 0, 0),
    "io_uring_enter": (426, FD, 0, 0, 0, 0, 0),
    "io_uring_register": (427, FD, 0, 0, 0),
    "keyctl": (250, 0, -3, 0, 0, 0),
    "add_key": (248, 0, 0, 0, 0, 0),
    "request_key": (249, 0, 0, 0, 0),
    "seccomp": (317, 2, 0, 0),
    "prctl(PR_SET_SECCOMP)": (157, 22, 2, 0, 0, 0),
    "prctl(PR_SET_CHILD_SUBREAPER)": (157, 36, 1, 0, 0, 0),
    "landlock_create_ruleset": (444, 0, 0, 1),
    "modify_ldt": (154, 0, 0, 0),
    "personality(ADDR_NO_RANDOMIZE)": (135, 0x40000),
    # namespaces and mounts
    "unshare(CLONE_NEWUSER)": (272, 0x1000_0000),
    "unshare(0)": (272, 0),
    "setns": (308, FD, 0),
    "clone(CLONE_NEWUSER)": (56, 0x1000_0011, 0, 0, 0, 0),
    "mount": (165, 0, 0, 0, 0, 0),
    "umount2": (166, 0, 0),
    "open_tree": (428, HERE, 0, 0),
    "fsconfig": (431, FD, 0, 0, 0, 0),
    "mount_setattr": (442, FD, 0, 0, 0, 0),
    "chroot": (161, 0),
    "name_to_handle_at": (303, HERE, 0, 0, 0, 0),
    "open_by_handle_at": (304, FD, 0, 0),
    # files that are no files, files without a name, channels and budgets that rooms could share
    "mknod": (133, 0, 0, 0),
    "mknodat": (259, HERE, 0, 0, 0),
    "memfd_create": (319, 0, 0),
    "execveat": (322, FD, 0, 0, 0, 0x1000),
    "inotify_init1": (294, 0),
    "inotify_add_watch": (254, FD, 0, 0),
    "fanotify_mark": (301, FD, 0, 0, 0, 0),
    "flock": (73, 0, 8),
    "fcntl(F_SETLK)": (72, 0, 6, 0),
    "fcntl(F_SETLEASE)": (72, 0, 1024, 0),
    "fcntl(F_NOTIFY)": (72, 0, 1026, 0),
    "shmget": (29, 0, 4096, 0o1600),
    "semget": (64, 0, 1, 0o600),
    "msgget": (68, 0, 0o600),
    "mq_open": (240, 0, 0, 0, 0),
    "vmsplice": (278, FD, 0, 0, 0),
    "splice": (275, FD, 0, FD, 0, 0, 0),
    "mincore": (27, 0, 0, 0),
    "sync": (162,),
    "syncfs": (306, FD),
    "setxattr": (188, 0, 0, 0, 0, 0),
    "chown": (92, 0, 0, 0),
    # memory placement, scheduling
    "set_mempolicy": (238, 0, 0, 0),
    "mbind": (237, 0, 0, 0, 0, 0, 0),
    "get_mempolicy": (239, 0, 0, 0, 0, 0),
    "migrate_pages": (256, 0, 0, 0, 0),
    "move_pages": (279, 0, 0, 0, 0, 0, 0),
    "remap_file_pages": (216, 0, 0, 0, 0, 0),
    "mlock": (149, 0, 0),
    "sched_setattr": (314, 0, 0, 0),
    "ioprio_set": (251, 1, 0, 0),
    # identity, clock, terminal
    "capset": (126, 0, 0),
    "clock_adjtime": (305, 99, 0),
    "adjtimex": (159, 0),
    "ioctl(TIOCSTI)": (16, 0, 0x5412, 0),
    "ioctl(TIOCSTI), high bits set": (16, 0, 0x1_0000_5412, 0),
    # sockets
    "socket(AF_INET)": (41, 2, 1, 0),
    "socket(AF_INET6)": (41, 10, 1, 0),
    "socket(AF_NETLINK)": (41, 16, 3, 0),
    "socket(AF_VSOCK)": (41, 40, 1, 0),
    "socket(AF_ALG)": (41, 38, 5, 0),
    "socket(AF_UNIX), high bits set": (41, 0x1_0000_0001, 1, 0),
    "socketpair(AF_INET)": (53, 2, 1, 0, 0),
}
"""The filter's doing: under the room's other limits alone each gives something else."""

REFUSED_ANYWAY = {
    "clone(CLONE_NEWNET)": (56, 0x4000_0011, 0, 0, 0, 0),
    "clone(CLONE_NEWNS)": (56, 0x2_0011, 0, 0, 0, 0),
    "pivot_root": (155, 0, 0),
    "move_mount": (429, FD, 0, FD, 0, 0),
    "fsopen": (430, 0, 0),
    "fsmount": (432, FD, 0, 0),
    "fspick": (433, FD, 0, 0),
    "fanotify_init": (300, 0, 0),
    "kexec_load": (246, 0, 0, 0, 0),
    "kexec_file_load": (320, FD, FD, 0, 0, 0),
    "init_module": (175, 0, 0, 0),
    "finit_module": (313, FD, 0, 0),
    "delete_module": (176, 0, 0),
    "reboot": (169, 0, 0, 0, 0),
    "swapon": (167, 0, 0),
    "acct": (163, 0),
    "quotactl": (179, 0, 0, 0, 0),
    "nfsservctl": (180,),
    "iopl": (172, 0),
    "ioperm": (173, 0, 1, 0),
    "syslog": (103, 10, 0, 0),
    "vhangup": (153,),
    "settimeofday": (164, 0, 0),
    "sethostname": (170, 0, 0),
    "setgroups": (116, 0, 0),
    "socket(AF_PACKET)": (41, 17, 3, 0),
    "raw socket": (41, 2, 3, 1),
}
"""Refused twice: without the filter the kernel asks for a capability that no room has, or lacks the call."""

ALLOWED = {
    "getpid": (39,),
    "socket(AF_UNIX)": (41, 1, 1, 0),
    "fcntl(F_GETFD)": (72, 0, 1, 0),
    "prlimit64 of itself": (302, 0, 7, 0, 0),
}

FOR_CUDA = {
    "memfd_create": REFUSED["memfd_create"],
    "ioctl(NV_ESC_RM_CONTROL)": (16, 0, 0xC020_462A, 0),
    "ioctl(NV_ESC_RM_CONTROL), another size": (16, 0, 0xC030_462A, 0),
    "ioctl(UVM_INITIALIZE)": (16, 0, 0x3000_0001, 0),
    "ioctl(UVM_REGISTER_GPU)": (16, 0, 37, 0),
}
"""Let through by the profile for CUDA, refused by the ordinary one. Descriptor 0 is no device of the driver's."""
NOT_FOR_CUDA_EITHER = {
    "memfd_create(MFD_HUGETLB)": (319, 0, 4),
    "memfd_create(MFD_EXEC)": (319, 0, 16),
    "ioctl(NV_ESC_EXPORT_TO_DMABUF_FD)": (16, 0, 0xC020_46D9, 0),
    "ioctl(NV_ESC_RM_CONTROL), one direction": (16, 0, 0x4020_462A, 0),
    "ioctl(NV_ESC_RM_CONTROL), another type": (16, 0, 0xC020_472A, 0),
    "ioctl(NV_ESC_RM_CONTROL), high bits set": (16, 0, 0x1_C020_462A, 0),
    "ioctl(UVM_TOOLS_READ_PROCESS_MEMORY)": (16, 0, 62, 0),
    "ioctl(UVM_TOOLS_WRITE_PROCESS_MEMORY)": (16, 0, 63, 0),
}

CALLS = {
    **REFUSED,
    **REFUSED_ANYWAY,
    **ALLOWED,
    **FOR_CUDA,
    **NOT_FOR_CUDA_EITHER,
    "clone3": (435, 0, 0),
    "x32 getpid": (0x4000_0027,),
}

ORDINARY = Path(__file__).with_name("ordinary_programs.py")
START = (
    "import sys; sys.path[:0] = ['/opt/fumehood', '/opt/fumehood/app']; sys.path.append('/opt/fumehood/site')\n"
    "import torchvision_shim; torchvision_shim.install()\n"
)


def outcomes(client: docker.DockerClient, **changes: Any) -> Mapping[str, str]:
    source = Path(__file__).with_name("system_calls.py").read_text()
    return dict(json.loads(run(client, source, json.dumps(CALLS), **changes)))


@pytest.fixture(scope="module")
def room(client: docker.DockerClient) -> Mapping[str, str]:
    return outcomes(client)


@pytest.fixture(scope="module")
def control(client: docker.DockerClient) -> Mapping[str, str]:
    """The same room without a filter; everything else is as it was."""
    return outcomes(client, seccomp="unconfined")


@pytest.fixture(scope="module")
def cuda(client: docker.DockerClient) -> Mapping[str, str]:
    """The filter of a room with a GPU, without the GPU."""
    return outcomes(client, seccomp=profile("seccomp-cuda.json"))


@pytest.mark.parametrize("call", FOR_CUDA)
def test_the_filter_for_cuda_lets_through(call: str, cuda: Mapping[str, str], room: Mapping[str, str]) -> None:
    assert cuda[call] in ("ENOTTY", "EFAULT", "EINVAL"), "an answer of the kernel's, not of the filter's"
    assert room[call] == "EPERM"


@pytest.mark.parametrize("call", [*REFUSED, *REFUSED_ANYWAY, *NOT_FOR_CUDA_EITHER])
def test_the_filter_for_cuda_refuses_all_else(call: str, cuda: Mapping[str, str], room: Mapping[str, str]) -> None:
    assert cuda[call] == "EPERM" or call in FOR_CUDA
    assert room[call] == "EPERM"


@pytest.mark.parametrize("call", ["int 0x80", "x32 getpid", "clone3"])
def test_the_filter_for_cuda_is_as_closed_to_other_interfaces(
    call: str, cuda: Mapping[str, str], room: Mapping[str, str]
) -> None:
    assert cuda[call] == room[call]


@pytest.mark.parametrize("call", REFUSED)
def test_the_filter_refuses(call: str, room: Mapping[str, str], control: Mapping[str, str]) -> None:
    assert room[call] == "EPERM"
    assert control[call] != "EPERM", "the filter is not what refuses here"


@pytest.mark.parametrize("call", REFUSED_ANYWAY)
def test_the_filter_refuses_what_the_kernel_would_refuse_too(
    call: str, room: Mapping[str, str], control: Mapping[str, str]
) -> None:
    assert room[call] == "EPERM"
    assert control[call] in ("EPERM", "ENOSYS", "EFAULT", "ENODEV"), "no second refusal here: it belongs to REFUSED"


def test_threads_fall_back_to_the_call_whose_flags_can_be_seen(
    room: Mapping[str, str], control: Mapping[str, str]
) -> None:
    assert room["clone3"] == "ENOSYS"
    assert control["clone3"] == "EINVAL"


@pytest.mark.parametrize("call", ["int 0x80", "x32 getpid"])
def test_another_system_call_interface_ends_the_process(
    call: str, room: Mapping[str, str], control: Mapping[str, str]
) -> None:
    assert room[call] == "SIGSYS"
    # Kernels are built with or without these interfaces; what a kernel lacks ends otherwise, or not at all.
    assert control[call] in ("ok", "ENOSYS", "SIGSEGV")


@pytest.mark.parametrize("call", ALLOWED)
def test_what_ordinary_programs_need_is_let_through(call: str, room: Mapping[str, str]) -> None:
    assert room[call] == "ok"


@pytest.mark.slow
@pytest.mark.parametrize("prepare", [False, True], ids=["sandbox", "prepare"])
def test_ordinary_programs_work_under_the_filter(client: docker.DockerClient, prepare: bool) -> None:
    """Every program of the list, each by itself: what fails is told with its error."""
    results = json.loads(run(client, START + ORDINARY.read_text(), prepare=prepare).splitlines()[-1])
    assert {name: seen for name, seen in results.items() if seen != "ok"} == {}
    assert len(results) >= 20
