"""What the controller itself takes for an iteration that a language model leads, where the model answers at once.

Everything is real but the rooms, which answer at once too (``fakes.rooms``), and the model: a server of scripts on the
loopback interface, asked over HTTP through LiteLLM. Each iteration asks for a plan and for a whole file.
"""

import json
import os
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from fakes.llm_server import Request, scripted
from fakes.rooms import CLASSES, ROWS, Rooms, begin
from fumehood import recorder
from fumehood.experience import NoExperience
from fumehood.llm import library
from fumehood.llm.settings import Keys
from fumehood.mind import Asking, Mind
from fumehood.progress import SilentProgress
from fumehood.records import LlmSettings
from fumehood.research import Research
from fumehood.search import Evaluations

ITERATIONS = 40
_LEFT_OUT = 5
"""The first ones load what is loaded once."""
_SOURCE = """
from torch import nn

RECIPE = {{"epochs": {number}}}


def build_model(input_shape, num_outputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, num_outputs))
"""


def measure() -> dict[str, Any]:
    """``llm_iteration_ms``: median of iterations outside rooms; ``llm_import_s``: LiteLLM, in the background else."""
    began = time.perf_counter()
    library.litellm()
    imported = time.perf_counter() - began
    targets = np.random.default_rng(0).permutation(np.arange(ROWS) % CLASSES).astype("<i8")
    with TemporaryDirectory(prefix="fumehood-bench-") as folder, scripted([_answer] * (3 * ITERATIONS)) as server:
        os.environ["XDG_STATE_HOME"] = folder
        settings = LlmSettings(model="openai/gpt-oss:20b", base_url=server.url)
        directory = begin(
            Path(folder) / "run", targets, target=None, max_iterations=ITERATIONS, planner="llm", llm=settings
        )
        took, rooms = [], Rooms(targets)
        with recorder.reopen(directory) as record:
            planner, author = Mind(Asking(settings, Keys())).join(record)
            research = Research(record, None, planner, author, NoExperience(), SilentProgress())  # type: ignore[arg-type]
            with Evaluations(1, rooms.abandon) as evaluations:
                for _ in range(ITERATIONS):
                    began = time.perf_counter()
                    research.search.step(rooms, evaluations)
                    took.append(time.perf_counter() - began)
    return {"llm_iteration_ms": 1000 * median(took[_LEFT_OUT:]), "llm_import_s": imported}


def _answer(request: Request) -> str | dict[str, Any]:
    """A plan where one is asked for, else a file that differs from all before."""
    if "json_schema" in json.dumps(request.body.get("response_format") or {}):
        reason = f"Number {request.number} may do better."
        return {"action": "propose", "reason": reason, "title": f"Net {request.number}", "design": "A linear network."}
    return f"```python{_SOURCE.format(number=request.number)}```"
