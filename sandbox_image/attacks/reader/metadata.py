"""Weights with notes beside the tensors, in which a model of its own has room."""

import json

HEADER = {
    "__metadata__": {"notes": "x" * 100_000},
    "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
}


def arrange(handover):
    header = json.dumps(HEADER).encode()
    with open(f"{handover}/seed-0/weights.safetensors", "wb") as file:
        file.write(len(header).to_bytes(8, "little") + header + bytes(4))
