"""The structured log of a run: one JSON object a line, for people who look into what went wrong and when.

Unlike the journal it is no source of anything. It never holds a label, a prediction or an environment variable.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from structlog.typing import FilteringBoundLogger


@contextmanager
def run_log(path: Path) -> Iterator[FilteringBoundLogger]:
    """A logger that appends to ``path`` while the context lasts; an exception that passes through is logged.

    Its folder is made where it is missing: a run that was copied without it can still go on.
    """
    path.parent.mkdir(exist_ok=True)
    with path.open("a", encoding="utf-8", buffering=1) as file:
        log: FilteringBoundLogger = structlog.wrap_logger(
            structlog.WriteLogger(file),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(sort_keys=True),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(0),
        )
        try:
            yield log
        except BaseException as error:
            log.error("ended early", error=type(error).__name__, exc_info=True)
            raise
