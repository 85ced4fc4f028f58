"""Where things lie inside a room. The same in every room, so they are constants and not settings."""

EXCHANGE = "/exchange"
"""The room's single-use tmpfs volume."""

IN = "in"
OUT = "out"
DATA = "/data"
"""Read-only volume with the training arrays; train rooms only."""

REQUEST = "request.json"
SOURCE = "model.py"
RAW = "raw"
"""Folder under ``in/`` with the raw files of a data set; prepare rooms only."""

RESULT = "result.json"
ATTESTATION = "attestation.json"
LOG = "worker.log"
WEIGHTS = "weights.safetensors"
PREDICTIONS = "predictions.bin"
REPORT = "report.json"


def array_file(name: str) -> str:
    """File name of the array ``name``: raw little-endian values in C order, no header."""
    return f"{name}.bin"


def seed_dir(index: int) -> str:
    """Folder of the ``index``-th seed of a job (its position in the request, not the seed's value)."""
    return f"seed-{index}"


def seed_weights(index: int) -> str:
    """Name under ``in/`` of the weights that the ``index``-th seed predicts with."""
    return f"weights-{index}.safetensors"
