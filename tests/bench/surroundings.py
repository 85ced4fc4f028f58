"""Runs of the bench, apart from those of whoever starts it."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from tempfile import TemporaryDirectory


@contextmanager
def apart() -> Iterator[None]:
    """Within it, this process and its children count openings of seals elsewhere, and keep and remember nothing."""
    with TemporaryDirectory(prefix="fumehood-bench-") as folder:
        os.environ |= {"XDG_STATE_HOME": folder, "FUMEHOOD_KEEP_PREPARED": "no", "FUMEHOOD_MEMORY": "no"}
        yield


def with_memory() -> Mapping[str, str]:
    """The same environment for a child that remembers what it finds out, in a database that its command names."""
    return {name: value for name, value in os.environ.items() if name != "FUMEHOOD_MEMORY"}
