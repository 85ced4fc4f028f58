"""Optimisers work without torch's compiler front end, and give what they give with it."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.runner

PROGRAM = """
import sys
import torch
from torch import nn, optim
if sys.argv[1] == "eager":
    from fumehood_runner.randomness import choose_algorithms
    from fumehood_runner.seeds import warm_up
    warm_up()
    choose_algorithms(True)
for kind in (optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop, optim.NAdam, optim.Adadelta):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    optimizer = kind(model.parameters(), lr=0.01)
    for step in range(4):
        optimizer.zero_grad()
        model(torch.full((2, 4), float(step))).square().sum().backward()
        optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
    print(kind.__name__, [p.sum().item().hex() for p in model.parameters()])
print("torch._dynamo" in sys.modules, file=sys.stderr)
if sys.argv[1] == "eager":
    compiled = torch.compile(model, backend="eager")
    loss = compiled(torch.ones(2, 4)).sum()
    loss.backward()
    optimizer.step()
    print("torch._dynamo" in sys.modules, torch.are_deterministic_algorithms_enabled(), file=sys.stderr)
"""


def run(mode: str) -> "subprocess.CompletedProcess[str]":
    path = {"PYTHONPATH": ":".join(p for p in sys.path if p), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", PROGRAM, mode], env=path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done


def test_steps_without_the_front_end_give_the_same_bits_and_do_not_load_it():
    eager, plain = run("eager"), run("plain")
    assert eager.stdout == plain.stdout
    assert eager.stderr.splitlines()[0] == "False"
    assert eager.stderr.splitlines()[-1] == "True True"  # a candidate that compiles gets the front end
