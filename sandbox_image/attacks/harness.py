"""Tries probes one after another, each in a process of its own, and prints one line of JSON about each.

The controller writes ``PROBES`` (name -> source), ``KIT`` (the source of kit.py) and ``TOLD`` (what the probes may
know) above this text. As a candidate it does so in a room's training and again when it predicts; as a program it does
so at once. A probe defines ``attack()``: it returns what it gained as text, or None; an OSError is a refusal. What it
leaves in the usual folders is removed before the next one begins.
"""

import errno
import json
import os
import shutil
import signal
import sys
from pathlib import Path
from types import ModuleType

PROBES: dict[str, str]
KIT: str
TOLD: dict
SECONDS = 60
all_tried = False
"""A room that trains asks its model about some rows, too, and every room asks batch by batch: once is enough."""
CHARACTERS = 400
DUMMY_ROWS = 2
ABSENT = (errno.ENOENT, errno.ENOSYS, errno.ENODEV, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.EADDRNOTAVAIL)
"""What a kernel answers for what it has not."""
FOLDERS = ("/tmp", "/dev/shm", "/exchange")


def train(model, data, context):
    try_all()


def predict(model, inputs):
    if len(inputs) > DUMMY_ROWS and not all_tried:
        try_all()
    return model(inputs)


def try_all():
    global all_tried
    all_tried = True
    sys.modules["kit"] = kit = ModuleType("kit")
    exec(compile(KIT, "kit.py", "exec"), kit.__dict__)
    kit.TOLD = TOLD
    if any("all_files" in source for source in PROBES.values()):
        kit.all_files()  # once, for all the children to have
    for name, source in PROBES.items():
        before = listing()
        print("\nFINDING " + json.dumps({"name": name, **tried(source)}), flush=True)
        for path in listing() - before:
            remove(path)


def tried(source):
    """What a child that runs ``source`` said, or how it ended without a word."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        signal.alarm(SECONDS)
        os.write(write, json.dumps(outcome(source)).encode())
        os._exit(0)
    os.close(write)
    said = b"".join(iter(lambda: os.read(read, 4096), b""))
    os.close(read)
    _, status = os.waitpid(child, 0)
    if said:
        return json.loads(said)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGSYS:
        return {"refused": "ended by SIGSYS"}
    return {"broken": f"ended with {os.waitstatus_to_exitcode(status)}"}


def outcome(source):
    scope = {"__name__": "probe"}
    try:
        exec(compile(source, "probe.py", "exec"), scope)
        return {"gained": clipped(scope["attack"]())}
    except OSError as error:
        said = clipped(error.strerror or str(error) or type(error).__name__)
        return {"refused": said, "absent": error.errno in ABSENT}
    except BaseException as error:  # a probe that is broken is told, never hidden
        return {"broken": clipped(f"{type(error).__name__}: {error}")}


def clipped(text):
    return text if text is None else str(text)[:CHARACTERS]


def listing():
    return {path for folder in FOLDERS if os.access(folder, os.R_OK) for path in Path(folder).iterdir()}


def remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    try_all()
