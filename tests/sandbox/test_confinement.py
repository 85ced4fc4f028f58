"""Where the host confines its containers by AppArmor or SELinux, a room that is not confined is refused."""

from dataclasses import replace
from typing import Any

import pytest
from cages import a_cage, attested

from fumehood.sandbox import attestation, confinement

pytestmark = pytest.mark.unit
CONFINED = {
    "apparmor": ["docker-default (enforce)", "containers-default-0.44.4 (enforce)", "my profile (enforce)"],
    "selinux": ["system_u:system_r:container_t:s0:c12,c934", "system_u:system_r:svirt_lxc_net_t:s0:c1,c2"],
}
LOOSE = {
    "apparmor": ["unconfined", "docker-default (complain)", "", None, "system_u:system_r:container_t:s0:c1,c2"],
    "selinux": [
        "system_u:system_r:spc_t:s0",
        "unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023",
        "system_u:system_r:container_t:s0",
        "kernel",
        None,
    ],
}


def found(by: Any, label: str | None, **cage: Any) -> list[str]:
    of = replace(a_cage(), confinement=by, **cage)
    return attestation.differences(of, attested(of, confinement=label))


@pytest.mark.parametrize(("by", "label"), [(by, label) for by, labels in CONFINED.items() for label in labels])
def test_a_room_that_is_confined_is_accepted(by: str, label: str) -> None:
    assert found(by, label) == []


@pytest.mark.parametrize(("by", "label"), [(by, label) for by, labels in LOOSE.items() for label in labels])
def test_a_room_that_is_not_is_named_with_its_label(by: str, label: str | None) -> None:
    assert found(by, label) == [f"confinement: expected {by!r}, seen {label!r}"]


def test_where_the_host_has_neither_nothing_is_demanded() -> None:
    assert found(None, None) == found(None, "unconfined") == []


@pytest.mark.parametrize(
    ("options", "by"),
    [
        (["name=apparmor", "name=seccomp,profile=default", "name=cgroupns"], "apparmor"),
        (["name=seccomp,profile=builtin", "name=selinux", "name=rootless"], "selinux"),
        (["name=seccomp,profile=default"], None),
        (None, None),
    ],
)
def test_what_the_host_has_is_taken_from_the_engine(options: list[str] | None, by: str | None) -> None:
    assert confinement.of_host({"SecurityOptions": options}) == by
