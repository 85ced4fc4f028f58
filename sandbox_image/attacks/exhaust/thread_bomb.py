"""Starts threads until the kernel refuses; stops at a number that no room needs and every host survives."""

import threading
import time

MANY = 400


def train(model, data, context):
    for _ in range(MANY):
        threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
