"""One candidate out of several programs: each seed runs its own, on top of the honest one.

The controller writes ``PROGRAMS`` (seed -> source) and ``HONEST`` above this text. Which seed a worker is, both rooms
tell alike: torch is seeded with it.
"""

import torch

HONEST: str
PROGRAMS: dict[int, str]

for _source in (HONEST, PROGRAMS.get(torch.initial_seed(), "")):
    exec(compile(_source, "model.py", "exec"), globals())
