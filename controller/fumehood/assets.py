"""Where the files lie that are shipped with the program: policies, the sandbox image, the wire format's source.

In a checkout they are the folders at the top; in an installed wheel they are package data under ``_assets``. The same
names are valid in both. Read only; nothing here is written.
"""

from functools import cache
from pathlib import Path

from fumehood.errors import InternalError

_PACKAGE = Path(__file__).resolve().parent


@cache
def root() -> Path:
    """The folder that holds ``policies``, ``sandbox_image`` and ``shared``."""
    for folder in (_PACKAGE / "_assets", _PACKAGE.parent.parent):
        if (folder / "sandbox_image" / "Dockerfile").is_file():
            return folder
    raise InternalError(
        f"the files shipped with fumehood are missing beside {_PACKAGE}",
        "reinstall the package, or run from a complete checkout",
    )


def policies() -> Path:
    """Folder of the shipped policies and the seccomp profile."""
    return root() / "policies"


def sandbox_image() -> Path:
    """Folder of the Dockerfile, its lock files, the entry point and the package ``fumehood_runner``."""
    return root() / "sandbox_image"


def shared() -> Path:
    """Source root of the package ``fumehood_shared``."""
    return root() / "shared"
