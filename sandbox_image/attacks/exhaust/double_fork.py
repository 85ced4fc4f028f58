"""Leaves a daemon behind and ends, so that nobody seems to be left."""

import os
import time


def train(model, data, context):
    if os.fork() > 0:
        os.wait()
        os._exit(0)
    os.setsid()
    if os.fork() > 0:
        os._exit(0)
    print("a daemon", flush=True)
    while True:
        time.sleep(0.1)
