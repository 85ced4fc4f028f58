"""Upper bounds, in bytes or counts, on everything that crosses the wall of a room.

They are part of the wire format: the runner refuses to write more, the controller refuses to read more.
"""

KIB = 1024
MIB = 1024 * KIB

SOURCE_BYTES = 256 * KIB
"""A candidate's source file."""

REQUEST_BYTES = 4 * MIB
"""``request.json``; an encoding with long category lists is the largest thing in it."""

RESULT_BYTES = 4 * MIB
"""``result.json`` of any room."""

ATTESTATION_BYTES = 256 * KIB

LOG_BYTES = 256 * KIB
"""What all workers of a room together may print before the rest is dropped."""

TRACEBACK_CHARS = 4000
"""A traceback is trimmed in the room to this many characters, keeping its end."""

MESSAGE_CHARS = 500
"""Any single human-readable string in a result."""

SAFETENSORS_HEADER_BYTES = 1 * MIB

WEIGHTS_HEAD_BYTES = 8 + SAFETENSORS_HEADER_BYTES
"""Beginning of a weights file that holds its whole header; the controller reads no more of it."""

PIECE_BYTES = 1 * MIB
"""Bytes of a file or an archive that cross a room's standard streams without a break."""

COMMAND_BYTES = 512
"""One line of the controller's on a room's standard input."""

TENSORS = 20_000
"""Tensors in one weights file."""

SEEDS = 64
"""Seeds in one job."""

PREDICT_BATCH = 128
"""Rows that are predicted at a time: few enough for what a model computes of them to stay in a processor's cache."""

TRAIN_SLICE_ROWS = 1000
"""Training rows that a trained model is asked about."""

TRAIN_SLICE_NUMBER = 1e30
"""Size of what it is worth on them: means and differences of such numbers are finite."""

SUMMARY_LAYERS = 256
"""Rows of a model summary; the rest is counted, not listed."""

CURVE_POINTS = 500
"""Epochs kept of a learning curve."""

JSON_DEPTH = 16
"""Nesting that the controller is willing to parse."""

JSON_TOKENS = 400_000
"""Commas, colons and opening brackets in one message. A value takes up to a hundred times its bytes once it is parsed,
so the size of a message alone bounds nothing. Enough for 20,000 numeric columns, and for 64 seeds with full summaries
and curves."""

JSON_CONTAINERS = 64_000
"""Objects and arrays in one message."""

JSON_FIELDS = 64
"""Keys of one object. An object with more is a table: names to plain values, such as counts by class."""

JSON_TABLE_KEYS = 40_000
"""Keys of all tables in one message."""

TOKENS_PER_TEXT = 4096
"""Words of a text that a user may ask for; the rest is cut."""

FEWEST_FOLDS, MOST_FOLDS = 2, 10
SMALLEST_SUBSET = 10
"""Rows, for three splits."""
