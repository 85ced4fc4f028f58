"""Leaves one folder of output for each of several programs, and prints one line of JSON about each.

The controller writes ``PROGRAMS`` (name -> source), ``PREDICTING`` (names of those that leave predictions, the others
leave weights to be handed over), ``RESULTS`` (names of those that change the result beside the weights), ``ROWS`` and
``COLUMNS`` above this text. Each folder first holds what an honest room leaves. A program defines ``arrange(folder)``,
which changes that; an OSError means that the room did not let it.
"""

import json
import os

import torch
from safetensors.torch import save_file

PROGRAMS: dict[str, str]
PREDICTING: set[str]
RESULTS: set[str]
ROWS: int
COLUMNS: int


def train(model, data, context):
    for name, source in PROGRAMS.items():
        tree = f"/exchange/trees/{name}"
        leave_honest(tree, model, name in PREDICTING)
        part = "out" if name in PREDICTING | RESULTS else "handover"
        print("\nFINDING " + json.dumps({"name": name, "refused": refused(source, f"{tree}/{part}")}), flush=True)


def leave_honest(tree, model, predicting):
    out = f"{tree}/out"
    os.makedirs(f"{out}/seed-0" if predicting else out)
    job = "predict" if predicting else "train"
    with open(f"{out}/result.json", "w") as file:
        json.dump({"job": job, "version": 1, "reports": [{"index": 0}], "wall_s": 0.0}, file)
    if predicting:
        torch.zeros(ROWS, COLUMNS).numpy().tofile(f"{out}/seed-0/predictions.bin")
    else:
        os.makedirs(f"{tree}/handover/seed-0")
        save_file(model.state_dict(), f"{tree}/handover/seed-0/weights.safetensors")


def refused(source, folder):
    """What the room answered to a program that it did not let; None where it did."""
    scope = {"ROWS": ROWS, "COLUMNS": COLUMNS}
    exec(compile(source, "model.py", "exec"), scope)
    try:
        scope["arrange"](folder)
    except OSError as error:
        return error.strerror or str(error)
    return None
