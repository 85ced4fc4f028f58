"""Changes a limit of the room's first process, to what it is.

The limits that bind a room are the engine's; gVisor's own, which this reaches there, bind only the room's processes.
"""

import ctypes

import kit

RLIMIT_NOFILE = 7


def attack():
    return kit.reached(change)


def change():
    limits = (ctypes.c_ulong * 2)()
    kit.call(302, 1, RLIMIT_NOFILE, 0, ctypes.addressof(limits))
    kit.call(302, 1, RLIMIT_NOFILE, ctypes.addressof(limits), 0)
