"""Every probe gets what it is after where its wall, and no other, is taken away: else its row would prove nothing."""

import pytest

from fumehood.attacks.attack import Probe
from fumehood.attacks.probes import Tried
from fumehood.attacks.suite import PROBES

pytestmark = [pytest.mark.attacks, pytest.mark.integration, pytest.mark.slow]


@pytest.mark.parametrize("probe", PROBES, ids=[probe.key for probe in PROBES])
def test_a_probe_succeeds_without_its_wall(controls: dict[str, Tried], probe: Probe) -> None:
    tried = controls[probe.key]
    if tried.absent and probe.may_be_absent:
        pytest.skip(f"this kernel has no such thing: {tried.told}")
    assert tried.gained, tried.told
