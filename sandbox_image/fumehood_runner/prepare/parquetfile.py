"""A Parquet file of the user's becomes a ``Table``, by the types that its columns were written with.

Numbers and decimals are numbers; strings are read as the cells of a CSV file are; truth values, dates and times become
text. Columns of lists, structures and bytes are left out with a note, and so is the row index that pandas adds.
Nothing here looks at what a column means.
"""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fumehood_runner.prepare import memory
from fumehood_runner.prepare.cells import Cells, Table, from_numbers, from_strings
from fumehood_runner.prepare.refusals import Refused, listing, printable
from fumehood_shared.messages import RefusalKind

_MAGIC = b"PAR1"
_FACTOR = 3
"""A decoded column, its cells, and room to work."""


def read_parquet(path: Path, as_text: frozenset[str] = frozenset()) -> Table:
    """Read the whole file; the columns in ``as_text`` become text whatever their type."""
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise Refused(RefusalKind.NOT_READABLE, "The file is not a Parquet file: it does not begin with PAR1.")
    try:
        with pq.ParquetFile(path) as opened:
            return _read(opened, as_text)
    except (pa.ArrowException, OSError) as error:
        raise Refused(
            RefusalKind.NOT_READABLE, f"The Parquet file is damaged or cut off: {printable(str(error))}"
        ) from error


def _read(opened: pq.ParquetFile, as_text: frozenset[str]) -> Table:
    schema = opened.schema_arrow
    repeated = [name for name, count in Counter(schema.names).items() if count > 1]
    if repeated:
        raise Refused(RefusalKind.WRONG_COLUMNS, f"The file names a column more than once: {listing(repeated)}.")
    groups = [opened.metadata.row_group(i) for i in range(opened.metadata.num_row_groups)]
    memory.require(_FACTOR * sum(group.total_byte_size for group in groups), "the unpacked file")
    index = [field.name for field in schema if field.name.startswith("__index_level_")]
    nested = [field.name for field in schema if not _is_plain(field.type)]
    wanted = [name for name in schema.names if name not in {*index, *nested}]
    # One thread: a room may have no process ids to spare.
    table = opened.read(columns=wanted, use_threads=False)
    memory.require(_FACTOR * table.nbytes, "its cells")
    columns = tuple(_cells(name, table.column(name), as_text=name in as_text) for name in wanted)
    return Table(columns, table.num_rows, _notes(index, nested))


def _notes(index: list[str], nested: list[str]) -> tuple[str, ...]:
    notes = [f"Dropped, as it is the row index that pandas adds: {listing(index)}."] if index else []
    notes += [f"Dropped, as their cells hold more than one value, or bytes: {listing(nested)}."] if nested else []
    return tuple(notes)


def _is_plain(kind: pa.DataType) -> bool:
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    binary = pa.types.is_binary(plain) or pa.types.is_large_binary(plain) or pa.types.is_fixed_size_binary(plain)
    return not (pa.types.is_nested(plain) or binary or pa.types.is_null(plain) or pa.types.is_duration(plain))


def _cells(name: str, column: pa.ChunkedArray, *, as_text: bool) -> Cells:
    kind = column.type
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if number and not as_text:
        values = pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        return from_numbers(name, np.array(values, dtype=np.float64))
    return from_strings(name, _as_strings(column), as_text=as_text or not _holds_strings(kind), decimal_comma=False)


def _holds_strings(kind: pa.DataType) -> bool:
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(plain) or pa.types.is_large_string(plain))


def _as_strings(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    return pc.fill_null(pc.cast(column, pa.string()), "")
