"""A daemon goes on changing the weights while they are read."""

import os
import time

HANDOVER = "/handover/seed-0"


def train(model, data, context):
    child = os.fork()
    if child == 0:
        os.setsid()
        if os.fork() == 0:
            swap()
        os._exit(0)
    os.waitpid(child, 0)
    time.sleep(0.2)


def swap():
    print("a daemon", flush=True)
    while True:
        try:
            with open(f"{HANDOVER}/weights.safetensors", "r+b") as file:
                file.write(os.urandom(64))
        except OSError:
            continue
