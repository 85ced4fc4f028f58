"""One seed kills every process that it may, the other seeds' among them, and goes on as if nothing had happened."""

import os
import signal
import time


def train(model, data, context):
    if context.seed % 2:
        time.sleep(30)
    time.sleep(0.5)
    os.kill(-1, signal.SIGKILL)
