"""Ctrl-C that is not lost where a library swallows the exception it raises.

Python raises KeyboardInterrupt wherever the program happens to be, a destructor or a callback in C included, from where
it never comes back. The signal's handler therefore notes it here too, and a run asks after every step of its journal.
"""

import threading

_asked = threading.Event()


def ask() -> None:
    """Note that this process was asked to end; from a signal's handler."""
    _asked.set()


def check() -> None:
    """Raises KeyboardInterrupt once the process was asked to end."""
    if _asked.is_set():
        raise KeyboardInterrupt
