"""What the first process of a room hears from the controller and says to it, on its standard streams.

Standard input is its lifeline: at end of file the room ends, because the controller is gone. What the controller says
there are lines, one of them followed by bytes:

    put NAME SIZE     and SIZE bytes: a file for ``in/``
    go                the start signal
    give PATH         send the archive of a file or folder
    heads PATH        send only the beginnings of its files, and their sizes and digests

The room says ``ready`` and ``done``, which are hints, and answers ``give`` and ``heads`` with pieces of a tar archive:
a line ``tar SIZE`` before each, ``tar 0`` after the last. No worker is alive while anything is said or heard.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from fumehood_runner import parcels
from fumehood_shared import caps, paths

_IN = Path(paths.EXCHANGE) / paths.IN


def say(word: str) -> None:
    _write(f"{word}\n".encode())


def wait_for_go() -> None:
    """Do what the controller asks until it gives the start signal."""
    for line in _lines():
        if line == "go":
            return
        _obey(line)


def wait_for_end() -> NoReturn:
    """Do what the controller asks until it hangs up."""
    for line in _lines():
        _obey(line)
    end_room()


def end_room() -> NoReturn:
    os._exit(0)


def _obey(line: str) -> None:
    """One command. A line that is none ends the room: nobody but the controller writes here."""
    command, _, rest = line.partition(" ")
    if command == "put":
        name, _, size = rest.rpartition(" ")
        _take(_IN / name, int(size))
    elif command == "give":
        _send(parcels.archive(Path(rest)))
    elif command == "heads":
        _send(parcels.heads(Path(rest)))
    else:
        sys.exit(f"the controller said {command!r}, which means nothing here")


def _take(path: Path, size: int) -> None:
    """The next ``size`` bytes become the file ``path``, which nobody is to change."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with path.open("xb", buffering=0) as file:
        while size:
            piece = _read(min(size, caps.PIECE_BYTES))
            size -= len(piece)
            view = memoryview(piece)
            while view:
                view = view[file.write(view) :]
    path.chmod(0o444)


def _send(pieces: Iterator[bytes]) -> None:
    for content in pieces:
        for start in range(0, len(content), caps.PIECE_BYTES):
            piece = content[start : start + caps.PIECE_BYTES]
            _write(b"tar %d\n" % len(piece))
            _write(piece)
    _write(b"tar 0\n")


def _lines() -> Iterator[str]:
    """Lines of standard input, read byte by byte: what follows a line may be a file's."""
    line = bytearray()
    while len(line) < caps.COMMAND_BYTES:
        byte = _read(1)
        if byte == b"\n":
            yield line.decode()
            line.clear()
        else:
            line += byte
    sys.exit("the controller's line does not end")


def _read(most: int) -> bytes:
    """At least one byte; at end of file the room ends."""
    found = os.read(0, most)
    if not found:
        end_room()
    return found


def _write(content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(1, view) :]
