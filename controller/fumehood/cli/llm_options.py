"""The options by which a command is told which language model to ask, and what becomes of them."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fumehood.cli.options import Positive
from fumehood.errors import UsageError

if TYPE_CHECKING:
    from fumehood.llm.settings import Keys
    from fumehood.records import LlmSettings

Command = TypeVar("Command", bound=Callable[..., Any])

_MODEL = (
    click.option(
        "--llm-model", metavar="NAME", help="Language model, such as gpt-oss:20b.  [default: $FUMEHOOD_LLM_MODEL]"
    ),
    click.option(
        "--llm-base-url",
        metavar="URL",
        help="Its server, such as http://localhost:11434/v1.  [default: $FUMEHOOD_LLM_BASE_URL, or its maker's]",
    ),
    click.option(
        "--llm-api-key",
        metavar="KEY",
        help="Its key. Other users of this machine can see it here: rather set $FUMEHOOD_LLM_API_KEY.",
    ),
    click.option(
        "--llm-api-key-file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="File with its key, which nobody else can read.",
    ),
    click.option("--llm-fallback-model", metavar="NAME", help="Asked where the first model does not answer."),
    click.option(
        "--llm-timeout",
        type=Positive(),
        metavar="SECONDS",
        help="Time for one answer; a question is put again where it may help.  [default: 300]",
    ),
)
_BUDGETS = (
    click.option("--budget-usd", type=Positive(), metavar="X", help="Spend at most so many US dollars on questions."),
    click.option(
        "--budget-tokens",
        type=click.IntRange(min=1),
        metavar="N",
        help="Spend at most N tokens on questions and answers; binds also where the price is unknown.",
    ),
    click.option(
        "--llm-replay",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Take all answers from a run's logs/llm.jsonl instead: no network, the same decisions.",
    ),
)


@dataclass(frozen=True)
class Chosen:
    """What the options and the environment come to. ``settings`` and ``replay`` None: no language model."""

    settings: "LlmSettings | None"
    keys: "Keys"
    replay: Path | None = None


def model_options(command: Command) -> Command:
    """Options that say which model is asked. The command takes them as ``**llm`` and hands them to ``chosen``."""
    for option in reversed(_MODEL):
        command = option(command)
    return command


def llm_options(command: Command) -> Command:
    """``model_options``, and those that say what asking may cost, or that nobody is asked."""
    for option in reversed(_BUDGETS):
        command = option(command)
    return model_options(command)


def chosen(
    *,
    llm_model: str | None = None,
    llm_base_url: str | None = None,
    llm_api_key: str | None = None,
    llm_api_key_file: Path | None = None,
    llm_fallback_model: str | None = None,
    llm_timeout: float | None = None,
    budget_usd: float | None = None,
    budget_tokens: int | None = None,
    llm_replay: Path | None = None,
) -> Chosen:
    """Raises UsageError for what cannot be meant, and PolicyError for a server that the machine's floor forbids."""
    from fumehood.llm import settings as configured

    if llm_replay is not None:
        if llm_model or llm_base_url or llm_api_key or llm_api_key_file or llm_fallback_model:
            raise UsageError(
                "--llm-replay takes all answers from a file, and a language model is named beside it",
                "leave out one of the two",
            )
        return Chosen(None, configured.Keys(), llm_replay)
    found = configured.settings(
        llm_model,
        llm_base_url,
        environment=os.environ,
        fallback=llm_fallback_model,
        timeout_s=llm_timeout,
        budget_usd=budget_usd,
        budget_tokens=budget_tokens,
    )
    if found is None:
        if llm_api_key or llm_api_key_file:
            raise UsageError("a key is given, but no language model", "say which one: --llm-model NAME")
        return Chosen(None, configured.Keys())
    keys = configured.keys(found, environment=os.environ, flag=llm_api_key, file=llm_api_key_file)
    for warning in configured.warnings(found, keys):
        click.echo(f"fumehood: {warning}", err=True)
    return Chosen(found, keys)
