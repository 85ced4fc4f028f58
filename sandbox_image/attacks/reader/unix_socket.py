"""A socket where the weights are expected."""

import os
import socket


def arrange(handover):
    os.remove(f"{handover}/seed-0/weights.safetensors")
    os.chdir(f"{handover}/seed-0")
    try:
        socket.socket(socket.AF_UNIX).bind("weights.safetensors")
    finally:
        os.chdir("/")
