"""A socket where the weights are expected."""

import os
import socket


def arrange(out):
    os.remove(f"{out}/seed-0/weights.safetensors")
    os.chdir(f"{out}/seed-0")
    try:
        socket.socket(socket.AF_UNIX).bind("weights.safetensors")
    finally:
        os.chdir("/")
