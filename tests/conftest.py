"""For all tests: a busy machine makes none of them fail, and two processes share them where pytest-xdist runs them.

Runs remember nothing, and keep no prepared data, unless a test says so.

Tests that interrupt work also where a shell started them in the background, with the interrupt ignored.

Whatever opens rooms stays in order: the attack suite in one process, the planted cheats, which name their own group, in
one, all other rooms in one, beside which the quick tests are spread.
"""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ["FUMEHOOD_KEEP_PREPARED"] = "no"
os.environ["FUMEHOOD_MEMORY"] = "no"  # no test depends on what others left there, and the user's own stays as it is

_ATTACKS = Path(__file__).parent / "attacks"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("integration") and not item.get_closest_marker("xdist_group"):
            group = "attacks" if _ATTACKS in item.path.parents else "rooms"
            item.add_marker(pytest.mark.xdist_group(group))
