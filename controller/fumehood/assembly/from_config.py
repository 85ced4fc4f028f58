"""``assemble_from_config``: a configuration becomes a file, by a language model if there is one, or by the template."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypedDict

from fumehood.assembly import template
from fumehood.assembly.language import source as sources
from fumehood.assembly.language.author import Request
from fumehood.errors import UnusableAnswerError, UsageError
from fumehood.llm import prompts
from fumehood.llm.model import LanguageModel, Message
from fumehood.records import Phase
from fumehood.text import json_document

_PACKAGE: Final = "fumehood.assembly.language"
_NOT_CONFIGURED: Final = "no language model is configured"

Factory = Callable[[Mapping[str, Any]], LanguageModel | None]
"""From ``llm_kwargs`` (base_url, model_name, max_retries, retry_backoff); None where no model is configured."""


class Assembled(TypedDict):
    path: str
    via: Literal["llm", "template"]
    source: str
    attempts: int
    """Questions that were put to a language model; 0 where there is none."""
    reason: str
    """Why the template was used; empty where it was not."""


def assemble_from_config(
    model_config: Mapping[str, Any],
    output_path: str | Path,
    use_llm: bool = True,
    llm_kwargs: Mapping[str, Any] | None = None,
    *,
    factory: Factory | None = None,
) -> Assembled:
    """Write the source of a candidate to ``output_path``, which is overwritten. Nothing of it is run.

    ``model_config``: what ``template.assemble`` takes; ``architecture``, words beside the layers, is for the model.
    The template is used where no model is asked for or configured, or where what it writes is no usable source twice;
    ``reason`` says which. Raises AssemblyError for a configuration that the template cannot read, LlmError where a
    configured model does not answer, and UsageError where the file cannot be written.
    """
    model = factory(llm_kwargs or {}) if use_llm and factory else None
    written, attempts, reason = "", 0, _NOT_CONFIGURED if use_llm else "use_llm is False"
    if model is not None:
        written, attempts, reason = _asked_for(model, model_config)
    source = written or template.assemble(model_config)
    _write(Path(output_path), source)
    return {
        "path": str(output_path),
        "via": "llm" if written else "template",
        "source": source,
        "attempts": attempts,
        "reason": reason,
    }


def _asked_for(model: LanguageModel, config: Mapping[str, Any]) -> tuple[str, int, str]:
    """The source, how many questions it took, and why there is none."""
    try:
        shown = json_document(dict(config))
    except (TypeError, ValueError) as error:
        raise UsageError(f"the model configuration cannot be written as JSON: {error}", "use plain values") from None
    name = config.get("class_name")
    request = Request(
        model,
        "code",
        Phase.PLANNING,
        (
            Message("system", prompts.fill(_PACKAGE, "config_system.md.j2")),
            Message("user", prompts.fill(_PACKAGE, "config_task.md.j2", config=shown.splitlines())),
        ),
    )

    def check(found: str) -> str:
        has_name = not isinstance(name, str) or name in sources.class_names(found)
        return "" if has_name else f"The source defines no class named {name}."

    try:
        return request.source(check), request.questions, ""
    except UnusableAnswerError as error:
        return "", request.questions, error.what


def _write(path: Path, source: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}", "name a file that may be written") from error
