"""Has a grandchild take memory until it is killed, and then ends as its child did."""

import os

MANY = 64


def train(model, data, context):
    mourn(fork(lambda: mourn(fork(explode))))


def fork(then):
    child = os.fork()
    if child == 0:
        then()
        os._exit(0)
    return child


def mourn(child):
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        os.kill(os.getpid(), os.WTERMSIG(status))


def explode():
    kept = [bytearray(b"x" * 2**24) for _ in range(MANY)]
    print(len(kept), "times 16 MiB", flush=True)
