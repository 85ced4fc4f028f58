"""Pieces of hand-written candidates, and the types of the fixtures that run them."""

from collections.abc import Callable

from fumehood.executors import Executor
from fumehood.records import Envelope
from fumehood.research import Research

HEAD = "import os, signal, time\nimport torch.nn as nn\nRECIPE = {'epochs': 1}\nOUT = '/exchange/out'\n"
BUILD = "def build_model(input_shape, num_outputs):\n    return nn.Linear(input_shape[0], num_outputs)\n"

Started = tuple[Research, Executor]
Begin = Callable[[int], Started]
Attempt = Callable[[Research, Executor, str], Envelope]
