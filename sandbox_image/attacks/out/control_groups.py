"""Opens for writing what the kernel runs when a control group ends, and the limits of its own."""

import kit

FILES = {
    "release_agent", "notify_on_release", "memory.limit_in_bytes", "memory.max", "pids.max", "cpu.max",
    "cpu.cfs_quota_us", "devices.allow", "cgroup.procs", "cgroup.subtree_control",
}  # fmt: skip


def attack():
    paths = (path for path, _ in kit.walk("/sys/fs/cgroup") if path.rpartition("/")[2] in FILES)
    return kit.some((path for path in paths if writable(path)), "files of control groups")


def writable(path):
    try:
        return kit.written(path, "ab")
    except OSError:
        return None
