"""Makes the tree of control groups writable again, in the container's own mounts."""

import ctypes

MS_REMOUNT, MS_BIND = 32, 4096
LIBC = ctypes.CDLL(None, use_errno=True)

for row in list(open("/proc/self/mountinfo")):
    place, kind = row.split()[4], row.rpartition(" - ")[2].split()[0]
    if kind in ("cgroup", "cgroup2"):
        LIBC.mount(b"", place.encode(), b"", MS_REMOUNT | MS_BIND, b"")
