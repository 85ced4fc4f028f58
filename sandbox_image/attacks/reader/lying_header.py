"""Weights whose header promises more than there is."""

import json

HEADER = {"a": {"dtype": "F32", "shape": [1_000_000], "data_offsets": [0, 4_000_000]}}
DATA = 16


def arrange(handover):
    header = json.dumps(HEADER).encode()
    with open(f"{handover}/seed-0/weights.safetensors", "wb") as file:
        file.write(len(header).to_bytes(8, "little") + header + bytes(DATA))
