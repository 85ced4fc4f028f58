"""What the first process of a room hears from the controller and says to it, on its standard streams.

Standard input is its lifeline: at end of file the room ends, because the controller is gone. The two words that it says
are hints; the controller reads files.
"""

import os


def say(word: str) -> None:
    os.write(1, f"{word}\n".encode())


def wait_for_go() -> None:
    line = b""
    while not line.endswith(b"go\n"):
        byte = os.read(0, 1)
        if not byte:
            end_room()
        line += byte


def wait_for_end() -> None:
    while os.read(0, 4096):
        pass
    end_room()


def end_room() -> None:
    os._exit(0)
