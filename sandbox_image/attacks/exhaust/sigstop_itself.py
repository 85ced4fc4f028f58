"""Stops itself: a stopped process takes no signal but one."""

import os
import signal


def train(model, data, context):
    os.kill(os.getpid(), signal.SIGSTOP)
