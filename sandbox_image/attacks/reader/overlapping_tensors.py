"""Weights whose tensors share their bytes: a large model in a small file."""

import json

HEADER = {
    "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
    "b": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
}


def arrange(handover):
    header = json.dumps(HEADER).encode()
    with open(f"{handover}/seed-0/weights.safetensors", "wb") as file:
        file.write(len(header).to_bytes(8, "little") + header + bytes(8))
