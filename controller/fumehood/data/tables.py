"""The schemes for one file of rows: a CSV file.

Files are looked at (is it there, how large is it) and never parsed: whether a column exists is found out in the
prepare room.
"""

from typing import Final

from fumehood.data import files
from fumehood.data.scheme import Asked, Files, Scheme, task
from fumehood.errors import DataError
from fumehood_shared.messages import CsvSource, Source

CSV_FILE: Final = "data.csv"
"""Name of a CSV file in the prepare room's raw folder."""

NO_TARGET: Final = ""
"""Target of new rows whose file has no target column, or none that was named."""

_CSV_FORM = "csv:PATH#target=COLUMN"


def _csv(asked: Asked) -> tuple[Source, Files]:
    target = asked.options.get("target", "").strip()
    if not target and not asked.new_rows:
        raise DataError("The CSV file has no column named to predict.", f"Add it: {_CSV_FORM}.")
    source = CsvSource(target=target or NO_TARGET, task=task(asked.options))
    return source, ((CSV_FILE, files.usable(asked.path, asked.max_bytes, _CSV_FORM)),)


SCHEMES: Final = (Scheme("csv", _CSV_FORM, "a CSV file with a header", ("target", "task"), _csv),)
