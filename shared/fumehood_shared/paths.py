"""Where things lie inside a room. The same in every room, so they are constants and not settings."""

EXCHANGE = "/exchange"
"""The room's single-use tmpfs volume."""

IN = "in"
OUT = "out"
DATA = "/data"
"""Read-only volume with the training arrays; train rooms only."""
HANDOVER = "/handover"
"""Volume through which weights go from a train room, which writes it, to its predict room, which only reads it."""

REQUEST = "request.json"
SOURCE = "model.py"
RAW = "raw"
"""Folder under ``in/`` with the raw files of a data set; prepare rooms only."""

CSV = "data.csv"
PARQUET = "data.parquet"
JSONL = "data.jsonl"
NPZ = "data.npz"
IMAGES = "images.tar"
"""In the raw folder: what the user named; images of a folder are packed. Files of public sets keep their names."""

RESULT = "result.json"
HANDED_OVER = "handed-over.json"
"""Beside the heads of the files of a hand-over volume: what the whole files are."""
ATTESTATION = "attestation.json"
LOG = "worker.log"
WEIGHTS = "weights.safetensors"
PREDICTIONS = "predictions.bin"
REPORT = "report.json"


def array_file(name: str) -> str:
    """File name of the array ``name``: raw little-endian values in C order, no header."""
    return f"{name}.bin"


def fold_array(fold: int, name: str) -> str:
    """What the array ``name`` of a fold, from 1, is called among all arrays of its data set."""
    return f"fold{fold}_{name}"


def seed_dir(index: int) -> str:
    """Folder of the ``index``-th seed of a job (its position in the request, not the seed's value)."""
    return f"seed-{index}"


def trained_weights(index: int) -> str:
    """Name in the hand-over volume of the weights that the ``index``-th seed was trained to."""
    return f"{seed_dir(index)}/{WEIGHTS}"


def sent_weights(index: int) -> str:
    """Name under ``in/`` of stored weights that the ``index``-th seed predicts with; no train room came before."""
    return f"weights-{index}.safetensors"
