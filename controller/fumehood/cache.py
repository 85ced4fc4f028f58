"""Where things lie that can be made again: ``FUMEHOOD_CACHE``, else the user's cache folder."""

import os
from pathlib import Path

from platformdirs import user_cache_path


def folder() -> Path:
    given = os.environ.get("FUMEHOOD_CACHE")
    return Path(given) if given else user_cache_path("fumehood")
