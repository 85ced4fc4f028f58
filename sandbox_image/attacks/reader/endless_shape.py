"""Weights with a tensor of more numbers than there are."""

import json

HEADER = {"a": {"dtype": "F32", "shape": [2**63], "data_offsets": [0, 4]}}
DATA = 4


def arrange(handover):
    header = json.dumps(HEADER).encode()
    with open(f"{handover}/seed-0/weights.safetensors", "wb") as file:
        file.write(len(header).to_bytes(8, "little") + header + bytes(DATA))
