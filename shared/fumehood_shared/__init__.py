"""The wire format between the controller and a room: messages, paths, byte caps.

Both sides import this package and nothing else of ours crosses the wall, so a change of the wire format is always a
change here. It does no I/O. It has a type for every target the prepare room returns and the train room reads, and no
type at all for a score: scores are made by the controller and never travel.
"""

from typing import Final

WIRE_VERSION: Final = 1
