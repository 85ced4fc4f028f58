"""Leaves a file for the controller that is a terabyte of nothing, or as much of one as can be had."""

import os

FOLDER = "/handover/seed-0"


def train(model, data, context):
    os.makedirs(FOLDER)
    handle = os.open(f"{FOLDER}/weights.safetensors", os.O_CREAT | os.O_WRONLY, 0o644)
    size = 2**40
    while size > 2**20:
        try:
            os.ftruncate(handle, size)
            break
        except OSError as error:
            print(size, error.strerror, flush=True)
            size = size * 3 // 4
    with open("/exchange/out/seed-0/report.json", "w") as report:
        report.write('{"index": 0}')
    os._exit(0)
