"""The filter of system calls that rooms run under, as the engine's API wants it: the profile itself, not a path.

Profiles are files beside the policies; ``policies/SECCOMP.md`` says what they let through and why. A profile binds
under runc. gVisor takes none: there the room's system calls reach gVisor's own kernel, not the host's.
"""

import json
from functools import cache

from fumehood import assets


@cache
def profile(name: str) -> str:
    """The shipped profile ``name`` as one line of JSON; always the same text, for inspections are compared with it."""
    return json.dumps(json.loads((assets.policies() / name).read_text(encoding="utf-8")), separators=(",", ":"))
