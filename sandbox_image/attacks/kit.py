"""What probes share: raw system calls, ways through the file system, and ``TOLD``, what the controller lets them know.

Imported by probes as ``kit``; the harness makes it from this text.
"""

import ctypes
import errno
import hashlib
import mmap
import os
import re
import socket
import stat
from functools import cache

TOLD: dict
"""``kernel``: release of the host's; ``secret`` and ``names``: SHA-256 of what must not be found; and others."""
REFUSALS = (errno.EPERM, errno.EACCES, errno.ENOSYS)
VIEWS = ("/proc", "/sys", "/dev")
"""Views of the kernel, which have no end."""
PREFIX = b"fumehood-canary-"
CANARY = re.compile(PREFIX + rb"[0-9a-f]{32}")
CHUNK = 2**24
SAYS_NOTHING = {"", "LC_CTYPE", "PYTHONHASHSEED"}
"""Variables set by the interpreter itself and by a room's first program: the same in every room."""


def digest(value):
    return hashlib.sha256(value if isinstance(value, bytes) else value.encode()).hexdigest()


# ---- system calls ----------------------------------------------------------------------------------------------------


def is_the_hosts_kernel():
    return os.uname().release == TOLD["kernel"]


def call(number, *arguments):
    """A raw system call. An error is an OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    result = libc.syscall(ctypes.c_long(number), *(a if isinstance(a, bytes) else ctypes.c_long(a) for a in arguments))
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def reach(number, *arguments):
    """That the host's kernel took up a call, even if it found the arguments wrong. OSError for a refusal.

    A kernel that is not the host's (gVisor's) may answer as it likes: nothing of the host is reached.
    """
    return reached(lambda: call(number, *arguments))


def reached(action):
    try:
        action()
        said = "success"
    except OSError as error:
        if error.errno in REFUSALS:
            raise
        said = errno.errorcode.get(error.errno, str(error.errno))
    if not is_the_hosts_kernel():
        raise PermissionError(f"another kernel than the host's answered {said}")
    return f"the host's kernel answered {said}"


def machine_code(code):
    """What a few bytes of machine code return as an int."""
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    return ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()


def opened(family, kind, protocol=0):
    """A socket of a family that reaches the kernel. OSError where there is none to be had."""
    with socket.socket(family, kind, protocol):
        return reached(lambda: None)


# ---- files -----------------------------------------------------------------------------------------------------------


@cache
def all_files():
    """Every path there is, with what lstat says."""
    return list(walk("/", skip=VIEWS))


def walk(*roots, skip=()):
    """Every path below ``roots`` with what lstat says, unreadable folders left out."""
    waiting = list(roots)
    while waiting:
        try:
            entries = list(os.scandir(waiting.pop()))
        except OSError:
            continue
        for entry in entries:
            if entry.path in skip:
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            yield entry.path, status
            if stat.S_ISDIR(status.st_mode):
                waiting.append(entry.path)


def variables(path):
    """Names of the variables in an ``environ`` file that say anything."""
    whole = b"".join(content(path))
    return {entry.partition(b"=")[0].decode("utf-8", "replace") for entry in whole.split(b"\0")} - SAYS_NOTHING


def content(path):
    """The bytes of a file in overlapping pieces; nothing where it cannot be read."""
    try:
        with open(path, "rb", buffering=0) as file:
            rest = b""
            while piece := file.read(CHUNK):
                yield rest + piece
                rest = piece[-64:]
    except OSError:
        return


def has_secret(buffer):
    return PREFIX in buffer and any(digest(found) == TOLD["secret"] for found in CANARY.findall(buffer))


def some(found, what):
    """What was gained, told in short; None for nothing."""
    found = sorted(found)
    return f"{len(found)} {what}: {', '.join(map(str, found[:5]))}" if found else None


def written(path, mode="r+b"):
    """That ``path`` can be opened for writing. Nothing is written."""
    with open(path, mode):
        return f"{path} is writable"


def first_written(*paths):
    """The first of ``paths`` that is writable; OSError where none is."""
    return first([lambda path=path: written(path) for path in paths])


def first(attempts):
    """What the first attempt that is not refused returns. Where all are, the first refusal of what is there."""
    refusals = []
    for attempt in attempts:
        try:
            return attempt()
        except OSError as error:
            refusals.append(error)
    raise next((error for error in refusals if not isinstance(error, FileNotFoundError)), refusals[0])


# ---- network ---------------------------------------------------------------------------------------------------------


def connected(*addresses):
    """The first address that takes a TCP connection; OSError where none does."""
    return first([lambda address=address: connect(address) for address in addresses])


def connect(address):
    with socket.create_connection(address, 2.0):
        return f"{address[0]} port {address[1]} took a connection"


def answered(family, address, question):
    """That a datagram to ``address`` was answered. OSError where none was."""
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.settimeout(2.0)
        asking.connect(address)
        asking.send(question)
        return f"{address[0]} port {address[1]} answered {len(asking.recv(512))} bytes"
