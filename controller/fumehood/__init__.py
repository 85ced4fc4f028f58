"""Fumehood: autonomous PyTorch research whose generated code never leaves a sealed room."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fumehood.api import AgentOrchestrator, QuickEvalConfig, assemble_from_config
    from fumehood.memory.context import ManualMemoryContextManager

__all__ = ["AgentOrchestrator", "ManualMemoryContextManager", "QuickEvalConfig", "assemble_from_config"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """The Python API, loaded when it is asked for: ``fumehood --help`` needs none of it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "fumehood.memory.context" if name == "ManualMemoryContextManager" else "fumehood.api"
    return getattr(import_module(home), name)
