"""Leaves its session and its group, so that no signal to either reaches it."""

import os
import time


def train(model, data, context):
    if os.fork() == 0:
        os.setsid()
        print("in a session of its own", flush=True)
        while True:
            time.sleep(0.1)
    os.wait()
