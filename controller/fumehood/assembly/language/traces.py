"""A candidate's traceback without what tells its author nothing. Foreign text in, foreign text out. Pure."""

import re
from typing import Final

from fumehood_shared import paths

_FRAME: Final = re.compile(r'^(?=  File ")', re.MULTILINE)
_OWN: Final = f'  File "{paths.SOURCE}"'


def trimmed(traceback: str) -> str:
    """The candidate's own frames, the innermost frame whosever it is, and what stands around them."""
    head, *frames = _FRAME.split(traceback)
    if not frames:
        return traceback
    return head + "".join(frame for frame in frames[:-1] if frame.startswith(_OWN)) + frames[-1]
