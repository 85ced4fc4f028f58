"""Item 8: items 1 and 4 with gVisor between the rooms and the kernel."""

from collections.abc import Callable
from typing import Any

from bench import evaluations, first_steps
from fumehood import policy
from fumehood.sandbox import capability, engine


def measure(rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    """``strict``: the figures, or None with the ``strict_reason`` where the engine cannot enforce that policy."""
    policies = policy.load("strict")
    api = engine.connect().api
    if problems := capability.problems(api.info(), api.version(), policies):
        return {"strict": None, "strict_reason": "; ".join(problem.what for problem in problems)}
    steps = first_steps.measure(policies, rounds, say)
    ratio = evaluations.eval_ratio(policies, rounds, say)
    return {"strict": {"eval_ratio": ratio, **{name: steps[name] for name in steps if name.endswith("_ms")}}}
