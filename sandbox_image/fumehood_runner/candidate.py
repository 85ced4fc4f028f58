"""Loads a candidate's source as a module and finds what it offers: a model, and perhaps RECIPE, train and predict.

Always holds: a source that breaks a rule of the interface raises ``CandidateFailed`` naming the rule, before anything
is trained. It runs foreign code, because that is the job of the room it runs in; it protects nothing from that code.
"""

import ast
import inspect
import linecache
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final

from torch import nn

from fumehood_runner.failures import CandidateFailed
from fumehood_shared import caps, paths
from fumehood_shared.messages import FailureKind, JobBase

MODULE_NAME: Final = Path(paths.SOURCE).stem


@dataclass(frozen=True)
class Candidate:
    """An imported source; ``lines`` maps its top-level names to the lines that define them."""

    module: ModuleType
    lines: Mapping[str, int]

    @property
    def train(self) -> Callable[..., Any] | None:
        """The candidate's own trainer, if it brings one."""
        return self._function("train")

    @property
    def predict(self) -> Callable[..., Any] | None:
        """The candidate's own way from a batch of inputs to outputs, if it brings one."""
        return self._function("predict")

    @property
    def recipe(self) -> object:
        """RECIPE as written, unchecked; an empty dict where there is none."""
        return self.module.__dict__.get("RECIPE", {})

    def build(self, job: JobBase) -> nn.Module:
        """A fresh model for ``job``, by ``build_model`` or from the model class."""
        make = self.module.__dict__.get("build_model")
        if make is not None:
            return self._built(make, job)
        found = self._model_class()
        self._check_call(found, found.__name__, (), {})
        model: nn.Module = found()
        return model

    def fail(self, message: str, name: str) -> CandidateFailed:
        """An interface failure that points at the top-level ``name``."""
        return CandidateFailed(FailureKind.INTERFACE, message, self.lines.get(name))

    def _function(self, name: str) -> Callable[..., Any] | None:
        found = self.module.__dict__.get(name)
        if found is not None and not callable(found):
            raise self.fail(f"{name} is {_a(found)}; it has to be a function, or absent", name)
        return found

    def _built(self, make: object, job: JobBase) -> nn.Module:
        if not callable(make):
            raise self.fail(f"build_model is {_a(make)}; it has to be a function", "build_model")
        extra = _vocabulary(make, job)
        self._check_call(make, "build_model", (job.input_shape, job.num_outputs), extra)
        model = make(job.input_shape, job.num_outputs, **extra)
        if not isinstance(model, nn.Module):
            raise self.fail(f"build_model returned {_a(model)}, not a torch.nn.Module", "build_model")
        return model

    def _check_call(self, make: Callable[..., Any], name: str, args: tuple[Any, ...], extra: dict[str, Any]) -> None:
        """Tell "called the wrong way" from a TypeError inside: only the first is about the interface."""
        try:
            signature = inspect.signature(make)
        except (TypeError, ValueError):
            return
        try:
            signature.bind(*args, **extra)
        except TypeError as error:
            expected = "(input_shape, num_outputs)" if args else "() without arguments"
            raise self.fail(f"{name}{signature} cannot be called as {name}{expected}: {error}", name) from None

    def _model_class(self) -> type[nn.Module]:
        named = self.module.__dict__.get("MODEL")
        classes = {n: c for n, c in self.module.__dict__.items() if _is_own_model(c)}
        if named is not None:
            return self._named_class(named)
        if not classes:
            raise self.fail(
                "the source defines neither build_model(input_shape, num_outputs) nor an nn.Module class", ""
            )
        if len(set(classes.values())) > 1:
            listed = ", ".join(classes)
            raise self.fail(f"several nn.Module classes ({listed}): name one with MODEL, or define build_model", "")
        found: type[nn.Module] = next(iter(classes.values()))
        return found

    def _named_class(self, named: object) -> type[nn.Module]:
        found: object = self.module.__dict__.get(named) if isinstance(named, str) else None
        if isinstance(found, type) and issubclass(found, nn.Module):
            return found
        raise self.fail(f"MODEL = {named!r:.100} has to be the name of an nn.Module class in the source", "MODEL")


def load_candidate(path: Path) -> Candidate:
    """Import the source at ``path``. Raises ``CandidateFailed``, or whatever the source raises."""
    text = _read(path)
    code, lines = _compiled(text)
    module = ModuleType(MODULE_NAME)
    module.__file__ = paths.SOURCE
    linecache.cache[paths.SOURCE] = (len(text), None, text.splitlines(keepends=True), paths.SOURCE)
    sys.modules[MODULE_NAME] = module
    exec(code, module.__dict__)  # noqa: S102 -- running this source is what the room is for
    return Candidate(module, lines)


def _read(path: Path) -> str:
    source = path.read_bytes()
    if len(source) > caps.SOURCE_BYTES:
        raise CandidateFailed(
            FailureKind.INTERFACE, f"the source has {len(source)} bytes; at most {caps.SOURCE_BYTES} are allowed"
        )
    try:
        return source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = source[: error.start].count(b"\n") + 1
        raise CandidateFailed(FailureKind.SYNTAX, f"the source is not UTF-8: {error}", line) from None


def _compiled(text: str) -> tuple[CodeType, dict[str, int]]:
    """The code and the line of every top-level name. Whatever the compiler refuses is a syntax failure."""
    try:
        tree = ast.parse(text, paths.SOURCE)
        return compile(tree, paths.SOURCE, "exec", dont_inherit=True), _top_level_lines(tree)
    except SyntaxError as error:
        raise CandidateFailed(FailureKind.SYNTAX, f"{type(error).__name__}: {error}", error.lineno) from error
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        raise CandidateFailed(
            FailureKind.SYNTAX, f"the source cannot be compiled: {error or 'nested too deep'}"
        ) from None


def _top_level_lines(tree: ast.Module) -> dict[str, int]:
    lines: dict[str, int] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            lines[node.name] = node.lineno
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            lines.update({t.id: node.lineno for t in targets if isinstance(t, ast.Name)})
    return lines


def _vocabulary(make: Callable[..., Any], job: JobBase) -> dict[str, Any]:
    """``vocab_size`` where the signature takes it; where the task has none, only if it must be given."""
    try:
        parameters = inspect.signature(make).parameters
    except (TypeError, ValueError):
        return {}
    asked = parameters.get("vocab_size")
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    must = asked is not None and asked.default is inspect.Parameter.empty
    if job.vocab_size is not None and (asked is not None or takes_any):
        return {"vocab_size": job.vocab_size}
    return {"vocab_size": None} if must else {}


def _is_own_model(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, nn.Module) and value.__module__ == MODULE_NAME


def _a(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
