"""Weights that say of their header that it is 2**63 bytes long."""


def arrange(handover):
    with open(f"{handover}/seed-0/weights.safetensors", "wb") as file:
        file.write((2**63).to_bytes(8, "little") + bytes(64))
