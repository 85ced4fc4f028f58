"""How long a warm prepare room takes over the digits: from the request to the arrays on this machine's disk."""

import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from fumehood import policy, preparation, rooms
from fumehood.data import specs
from fumehood.sandbox.host import open_host


def prepare_digits_s(times: int) -> float:
    """Median seconds; every time in a room of its own."""
    standard, spec, took = policy.load("standard"), specs.parse("digits", 2**30), []
    request = preparation.request_for(spec, 0, None, standard.prepare.wall_s)
    with open_host(standard, "bench") as host:
        for _ in range(times):
            with TemporaryDirectory(prefix="fumehood-bench-") as folder, host.room("prepare") as room:
                room.ready()
                began = time.perf_counter()
                rooms.prepare(room, request, (), Path(folder))
                took.append(time.perf_counter() - began)
    return median(took)
