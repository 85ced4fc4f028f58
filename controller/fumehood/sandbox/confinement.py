"""AppArmor or SELinux: which of them confines this host's containers, and whether a label says that it does. Pure.

Neither is asked for, because no policy can bring what the kernel lacks. Where the engine says that it uses one, a room
without it would have less around it than the engine's other containers, and is refused.
"""

import re
from collections.abc import Mapping
from typing import Any

from fumehood.sandbox.cage import Confinement

_APPARMOR = re.compile(r"(?P<profile>\S.*) \(enforce\)")
"""``docker-default (enforce)``; a profile that only complains confines nothing."""
_SELINUX = re.compile(r"\w+:\w+:(container|svirt)_\w+:s\d+(-s\d+)?:c\d+(,c\d+)+")
"""A type for containers, with categories of its own: those keep rooms apart. ``spc_t`` and its like confine nothing."""


def of_host(info: Mapping[str, Any]) -> Confinement | None:
    """What the engine's ``/info`` says that it confines containers by."""
    names = {str(option).removeprefix("name=").partition(",")[0] for option in info.get("SecurityOptions") or []}
    if "apparmor" in names:
        return "apparmor"
    return "selinux" if "selinux" in names else None


def is_confined(by: Confinement, label: str | None) -> bool:
    """Whether the label of a room's first process is a container's."""
    return (_APPARMOR if by == "apparmor" else _SELINUX).fullmatch(label or "") is not None
