"""Writing a report file so that a reader sees the old one or the new one whole, never half of either."""

import os
from pathlib import Path


def write_text(path: Path, content: str) -> Path:
    """Put ``content`` (UTF-8, newlines as they are) at ``path``, creating folders; ``OSError`` as the system has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        beside.write_text(content, encoding="utf-8", newline="")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return path
