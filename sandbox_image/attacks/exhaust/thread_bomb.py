"""Starts threads until the kernel refuses; stops at a number that no room needs and every host survives."""

import threading
import time

MANY = 400
SEEN_S = 1.0


def train(model, data, context):
    try:
        for _ in range(MANY):
            threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
    finally:
        time.sleep(SEEN_S)  # they end with this process; until then they can be counted from outside
