"""What mutation starts from: for every target inputs that are as agreed, and tricks that are known."""

import io
import json
import struct
import tarfile
from typing import Any

import numpy as np

from fumehood_shared import paths

REPORT = {
    "index": 0,
    "failure": {"kind": "crashed", "message": "it \u00e9nded", "traceback": 'File "model.py", line 3', "line": 3},
    "summary": {
        "layers": [{"name": "0", "type": "Linear", "output_shape": "(2, 3)", "parameters": 12, "bytes": 48}],
        "parameters": 12,
        "bytes": 48,
    },
    "recipe": {"optimizer": "sgd", "lr": 0.1, "epochs": 3, "augment": ["shift"], "mixed_precision": False},
    "epochs": 3,
    "train_loss": [1.5, 0.75, 1e-3],
    "train_s": 0.25,
}
JOB_REPLIES: list[Any] = [
    {"job": "train", "reports": [REPORT, {"index": 1}], "wall_s": 2.5},
    {"job": "predict", "version": 1, "reports": [], "wall_s": 0},
]
COLUMNS = [
    {"kind": "number", "name": "age", "fill": 1.0, "mean": 0.5, "std": 2.0, "indicator": True},
    {"kind": "category", "name": "colour", "values": ["red", "\u7dd1", ""]},
]
FACTS = {"rows": 30, "class_counts": {"a": 10, "b": 20}, "missing_cells": {"age": 3}, "notes": ["a note"]}
PREPARE_REPLIES: list[Any] = [
    {
        "job": "prepare",
        "version": 1,
        "task": "classification",
        "input_kind": "tabular",
        "input_shape": [5],
        "num_outputs": 2,
        "encoding": {"kind": "tabular", "columns": COLUMNS},
        "target": {"name": "species", "classes": ["a", "b"]},
        "arrays": {"train_inputs": {"dtype": "float32", "shape": [18, 5]}},
        "facts": FACTS,
    },
    {"job": "encode", "arrays": {"inputs": {"dtype": "float32", "shape": [4, 5]}}, "facts": {"rows": 4}},
    {"job": "refusal", "kind": "one_class", "message": "There is one class."},
]
ATTESTATIONS: list[Any] = [
    {
        "version": 1, "role": "train", "uid": 12345, "gid": 12345, "groups": [], "no_new_privs": 1, "seccomp": 2,
        "cap_effective": "0", "cap_permitted": "0", "cap_inheritable": "0", "cap_bounding": "0", "cap_ambient": "0",
        "interfaces": ["lo"], "mounts": [{"path": "/tmp", "fstype": "tmpfs", "options": ["rw", "noexec"]}],
        "devices": ["null"], "rlimits": {"nofile": [1024, 1024]}, "pid": 1, "dumpable": 0, "environment": [],
        "root_writable": False, "exchange_bytes": 1000, "handover_bytes": 0,
        "memory_limit": None, "pids_limit": 128, "hostname": "room",
        "kernel": "6.1", "gpus": None, "cuda": None, "confinement": None, "versions": {"python": "3.11"},
    }
]  # fmt: skip

TENSOR = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
WEIGHTS_HEADERS: list[Any] = [{"w": TENSOR, "b": {"dtype": "F64", "shape": [], "data_offsets": [24, 32]}}]


def weights(header: bytes, data: bytes, length: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header + data


WEIGHTS = [weights(json.dumps(header).encode(), bytes(32)) for header in WEIGHTS_HEADERS]
PREDICTIONS = [np.linspace(-1, 1, 24, dtype="<f4").tobytes()]


def _member(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, **fields: Any) -> tuple[Any, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def _archive(*members: tuple[Any, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


_FOLDERS = (_member("out", kind=tarfile.DIRTYPE), _member("out/seed-0", kind=tarfile.DIRTYPE))
_FILES = (
    _member(f"out/{paths.RESULT}", b'{"job": "train"}', uid=2**31, pax_headers={"SCHILY.xattr.user.a": "\u00e9" * 30}),
    _member("out/seed-0/weights.safetensors", bytes(range(256)) * 5),
    _member("out/seed-0/predictions.bin", bytes(96)),
    _member("out/inputs.bin", bytes(600)),
)
ARCHIVES = [
    *(_archive(*_FOLDERS, *_FILES, format=kind) for kind in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT)),
    _archive(*_FOLDERS, *_FILES[2:]),
    _archive(_FOLDERS[0], _member("out/result.json", b"x", pax_headers={"size": "1", "path": "out/result.json"})),
    _archive(_FOLDERS[0], _member("out/" + "n" * 200, b"x"), format=tarfile.GNU_FORMAT),
    _archive(_FOLDERS[0], _member("out/result.json", kind=tarfile.SYMTYPE, linkname="/etc/passwd")),
    _archive(_FOLDERS[0], _member("out/result.json", kind=tarfile.LNKTYPE, linkname="x" * 300)),
    _archive(),
]
