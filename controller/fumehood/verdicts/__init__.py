"""What a check found, in the formats that people and CI systems read: one file each, one function each.

Every format is made from a ``Checked`` and nothing else, and agrees with its exit code: where that is not 0, JUnit has
a failure or an error, and SARIF a result or a notification. ``json``, ``junit`` and ``sarif`` are pure ASCII.
"""

from importlib import import_module
from typing import Literal, Protocol, TextIO, cast

from fumehood.verdicts.checked import Checked

FormatName = Literal["text", "json", "junit", "sarif"]


class Format(Protocol):
    def write(self, found: Checked, stream: TextIO) -> None:
        """Write one whole document to ``stream``."""
        ...


def format_named(name: FormatName) -> Format:
    """The module of that name, which is imported only where it is used."""
    return cast(Format, import_module(f"fumehood.verdicts.{name}"))
