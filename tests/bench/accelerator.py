"""Item 9: where a GPU is at hand, what ``bench.gpu`` measures there with the runner alone.

In a process of its own, as torch and CUDA are to stay out of this one, which stands for the controller.
"""

import json
import subprocess
import sys
from typing import Any

_AT_HAND = "import torch; print(torch.cuda.is_available())"
_MEASURE = "import json; from bench import gpu; print(json.dumps(gpu.measure()))"


def measure() -> dict[str, Any]:
    if _python(_AT_HAND).strip() != "True":
        return {"gpu": {"skipped": "no GPU here"}}
    return {"gpu": json.loads(_python(_MEASURE))}


def _python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True).stdout
