"""Moves into a root of its own and leaves the outer one open, as a runtime that leaks a folder would.

What is needed of the library is loaded before it is out of sight.
"""

import ctypes  # noqa: F401
import hashlib  # noqa: F401
import json  # noqa: F401
import mmap  # noqa: F401
import os
import pathlib  # noqa: F401
import shutil  # noqa: F401
import signal  # noqa: F401
import socket  # noqa: F401

OUTER = os.open("/", os.O_RDONLY)
os.chroot("/opt")
