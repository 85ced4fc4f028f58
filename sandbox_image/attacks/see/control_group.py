"""Looks for its place among the host's control groups, which names the container and the engine."""


def attack():
    paths = {line.rstrip("\n").split(":", 2)[2] for line in open("/proc/self/cgroup")}
    return ", ".join(sorted(paths - {"/", ""})) or None
