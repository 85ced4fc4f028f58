"""Makes a system call by the 32-bit interface, which a filter of 64-bit calls does not see."""

import os

import kit

GETPID = b"\xb8\x14\x00\x00\x00\xcd\x80\xc3"
"""mov eax, 20; int 0x80; ret"""


def attack():
    said = kit.machine_code(GETPID)
    if said != os.getpid():
        raise OSError(-said, os.strerror(-said))
    return "the kernel answered a call of 32 bits"
