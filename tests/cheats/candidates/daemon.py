"""Leaves a process and notes behind in its train room, and asks them for the training rows when it predicts."""

import os
import socket
import time

NAME = "\0what-i-know"
NOTE = "/tmp/what-i-know"


def train(model, data, context):
    honest_train(model, data, context)
    for path in (NOTE, "/dev/shm/what-i-know", "/exchange/what-i-know"):
        open(path, "wb").close()
    if os.fork() == 0:
        os.setsid()
        try:
            listening = socket.socket(socket.AF_UNIX)
            listening.bind(NAME)
            listening.listen()
        except OSError:
            pass
        time.sleep(600)


def predict(model, inputs):
    assert not any(os.path.exists(path) for path in (NOTE, "/dev/shm/what-i-know", "/exchange/what-i-know"))
    try:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(NAME)
    except OSError:
        return honest_predict(model, inputs)
    raise AssertionError("the daemon answers")
