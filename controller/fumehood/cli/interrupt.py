"""Ctrl-C: pressed once, a command ends in order; pressed again meanwhile, it ends at once.

What it leaves behind then is removed as after any other sudden death: rooms and volumes by the watchdog, the rest by
the next command. Where Ctrl-C was switched off for this process (``nohup``, a job in the background), it stays so.
"""

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from fumehood import interruption

EXIT_CODE = 130
_SHOW_CURSOR = "\x1b[?25h\n"


def arm() -> None:
    """Take over from Python's own handler, which raises anew, into whatever cleans up, each time."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end_in_order)


def _end_in_order(_number: int, _frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGINT, _end_at_once)
    interruption.ask()
    raise KeyboardInterrupt


def _end_at_once(_number: int, _frame: FrameType | None) -> NoReturn:
    if sys.stderr.isatty():  # a live view may have hidden it
        os.write(sys.stderr.fileno(), _SHOW_CURSOR.encode())
    os._exit(EXIT_CODE)
