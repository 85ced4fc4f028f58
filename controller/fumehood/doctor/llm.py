"""Does the language model answer? One small question, put as a run would put it."""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from fumehood import floor
from fumehood.doctor.check import Check, from_error
from fumehood.errors import FumehoodError, UnusableAnswerError
from fumehood.llm import library
from fumehood.llm.client import Client
from fumehood.llm.ledger import Ledger
from fumehood.llm.model import Message, Question
from fumehood.llm.settings import Keys
from fumehood.llm.transcript import Transcript
from fumehood.records import Call, LlmSettings, Phase, Record

Structured = Literal["schema", "parsed", "no"]
"""Held to a JSON schema by its server; read from what the model writes; not usable."""
_MAX_TOKENS: Final = 2048
"""Models that think before they answer need more than the answer."""


class Larger(Record):
    """What is asked for."""

    larger: int


@dataclass(frozen=True)
class Verdict:
    """What was seen. ``latency_s`` and what follows are of the last call; None where none was made."""

    checks: tuple[Check, ...]
    exit_code: int
    """0; of the error's class where there is no answer."""
    model: str
    structured: Structured | None = None
    call: Call | None = None


def examine(
    asked: LlmSettings, keys: Keys, environment: Mapping[str, str], tell: Callable[[str], None] = lambda _: None
) -> Verdict:
    """Ask ``asked`` one question. Nothing of it is kept. ``tell`` is told what is waited for."""
    who = Check(name="model", status="ok", seen=f"{asked.model} at {asked.base_url or 'its maker'}, {_key(keys)}")
    calls: list[Call] = []
    structured: Structured | None
    started = time.monotonic()
    try:
        tell("loading LiteLLM")
        library.litellm()
        loaded = Check(name="LiteLLM", status="ok", seen=f"loaded in {time.monotonic() - started:.1f} s")
        tell(f"asking {asked.model}")
        structured = _ask(asked, keys, environment, calls)
    except FumehoodError as error:
        failed = from_error("answer", error)
        used = isinstance(error, UnusableAnswerError)
        return Verdict(
            (who, failed), error.exit_code, asked.model, "no" if used else None, calls[-1] if calls else None
        )
    return Verdict((who, loaded, *_answered(asked, structured, calls)), 0, calls[-1].model, structured, calls[-1])


def _ask(asked: LlmSettings, keys: Keys, environment: Mapping[str, str], calls: list[Call]) -> Structured:
    words = "Which of the two numbers 7 and 12 is the larger one?"
    question = Question("doctor", Phase.PLANNING, (Message("user", words),), Larger, _MAX_TOKENS)
    permits = floor.llm(floor.read(environment)).permits
    with tempfile.TemporaryDirectory() as folder, Transcript(Path(folder) / "llm.jsonl") as transcript:
        ledger = Ledger(asked.budget_usd, asked.budget_tokens)
        once = asked.model_copy(update={"max_retries": 0})  # who examines does not wait for a busy server
        client = Client(once, keys, transcript, ledger, calls.append, environment=environment, permits=permits)
        answer = client.ask(question)
        if answer.larger != 12:
            raise UnusableAnswerError(
                f"{calls[-1].model} answers that the larger one of 7 and 12 is {answer.larger}", "a larger model"
            )
        return "schema" if client.takes_schema else "parsed"


def _answered(asked: LlmSettings, structured: Structured | None, calls: list[Call]) -> Iterator[Check]:
    last = calls[-1]
    tokens = f"{last.prompt_tokens} + {last.completion_tokens} tokens"
    yield Check(name="answer", status="ok", seen=f"{last.model} after {last.latency_s:.2f} s, {tokens}")
    if failures := [call.failure for call in calls if call.failure]:
        hint = "a run asks again, too, which takes time and tokens"
        yield Check(name="tries", status="warn", seen=f"{len(calls)}; at first: {failures[0]}", hint=hint)
    taken = "takes a JSON schema"
    read = "takes no JSON schema; answers are read from what the model writes"
    yield Check(name="structured output", status="ok", seen=f"its server {taken if structured == 'schema' else read}")
    if last.cost_usd is not None:
        yield Check(name="price", status="ok", seen=f"${last.cost_usd:.6f} for this question")
    elif asked.budget_usd is None:
        yield Check(name="price", status="ok", seen="unknown")
    else:
        hint = "--budget-tokens binds"
        yield Check(name="price", status="warn", seen="unknown, so that --budget-usd cannot bind", hint=hint)


def _key(keys: Keys) -> str:
    sources = {"flag": "of --llm-api-key", "file": "of a file", "environment": "of the environment"}
    return "without a key" if keys.source == "none" else f"with the key {sources[keys.source]}"
