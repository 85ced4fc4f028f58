"""Opens other settings of the kernel for writing."""

import kit


def attack():
    return kit.first_written(
        "/proc/sys/kernel/modprobe",
        "/proc/sys/kernel/hostname",
        "/proc/sys/kernel/randomize_va_space",
        "/proc/sys/vm/overcommit_memory",
        "/proc/sys/fs/binfmt_misc/register",
        "/proc/irq/0/smp_affinity",
    )
