"""Keeps torch's compiler front end unloaded until somebody compiles: it is half of what a room waits for.

torch's optimisers import ``torch._dynamo`` (some 800 modules, a second of CPU) at their first step, for one purpose: to
tell a compiler that is tracing the step to leave it out. As long as that package is not loaded nothing traces, so the
plain method does the same. From the moment that a candidate loads it, by ``torch.compile`` say, torch's own wrappers
are used again. A torch whose wrappers look different is left as it is, and only slower.
"""

import functools
import sys
from collections.abc import Callable
from typing import Any, Final

import torch
from torch.optim import Optimizer

_FRONT_END: Final = "torch._dynamo"
_HIDDEN: Final = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")
"""Methods that torch wraps in ``torch._disable_dynamo``."""
_STEP_WRAPPER: Final = "_use_grad"
"""Name of the function that torch wraps around ``step`` (torch/optim/optimizer.py)."""

Method = Callable[..., Any]


def spare_the_compiler() -> None:
    """Let optimisers work without the compiler's front end. To be called before the first of them is made."""
    for name in _HIDDEN:
        wrapped = vars(Optimizer)[name]
        if hasattr(wrapped, "__wrapped__"):
            setattr(Optimizer, name, _unless_loaded(wrapped, wrapped.__wrapped__))
    for kind in Optimizer.__subclasses__():
        _spare_step(kind)


def _spare_step(kind: type[Optimizer]) -> None:
    step = vars(kind).get("step")
    if step is not None and step.__code__.co_name == _STEP_WRAPPER:
        kind.step = _unless_loaded(step, _with_its_own_grad_mode(step.__wrapped__))  # type: ignore[method-assign]
    for child in kind.__subclasses__():
        _spare_step(child)


def _unless_loaded(wrapped: Method, plain: Method) -> Method:
    """``plain`` while the front end is not loaded, ``wrapped`` from then on."""

    @functools.wraps(plain)
    def method(*args: Any, **kwargs: Any) -> Any:
        return (wrapped if _FRONT_END in sys.modules else plain)(*args, **kwargs)

    return method


def _with_its_own_grad_mode(step: Method) -> Method:
    """What torch's wrapper does beside breaking a traced graph."""

    @functools.wraps(step)
    def plain(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        with torch.set_grad_enabled(self.defaults["differentiable"]):
            return step(self, *args, **kwargs)

    return plain
