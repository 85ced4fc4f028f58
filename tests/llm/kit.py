"""A client on a scripted server, with its transcript and what it told of, for the tests of this folder."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, SecretStr

from fakes.llm_server import Server
from fumehood.llm import settings as configured
from fumehood.llm.client import Client
from fumehood.llm.ledger import Ledger
from fumehood.llm.model import Message, Question
from fumehood.llm.settings import Keys
from fumehood.llm.transcript import Line, Transcript
from fumehood.records import Call, Phase

KEY = "Quite-1-Secret/Key+0123456789"
MODEL = "gpt-oss:20b"


class Wish(BaseModel):
    """What the tests ask for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: Literal["go", "stop"]
    width: int
    note: str = ""


def question(
    reply: type = Wish, words: str = "How wide?", purpose: str = "plan", max_tokens: int = 400
) -> Question[Any]:
    messages = (Message("system", "You design networks."), Message("user", words))
    return Question(purpose, Phase.PLANNING, messages, reply, max_tokens)


@dataclass
class Asking:
    client: Client
    path: Path
    calls: list[Call] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def lines(self) -> list[Line]:
        return [Line.model_validate_json(line) for line in self.path.read_bytes().splitlines()]

    def failures(self) -> list[str]:
        return [line.failure for line in self.lines()]


def asking(
    server: Server,
    folder: Path,
    *,
    model: str = MODEL,
    url: str | None = None,
    key: str | None = KEY,
    ledger: Ledger | None = None,
    timeout_s: float = 20.0,
    **more: Any,
) -> Asking:
    """``more``: other arguments of ``settings.settings``, and ``permits``."""
    permits = more.pop("permits", lambda _: True)
    environment: dict[str, str] = more.pop("environment", {})
    found = configured.settings(
        model, server.url if url is None else url, environment=environment, timeout_s=timeout_s, **more
    )
    assert found is not None
    path = folder / "llm.jsonl"
    calls: list[Call] = []
    slept: list[float] = []
    secret = None if key is None else SecretStr(key)
    client = Client(
        found, Keys(secret, secret, "flag"), Transcript(path), ledger or Ledger(), calls.append,
        environment=environment, permits=permits, sleep=slept.append,
    )  # fmt: skip
    return Asking(client, path, calls, slept)
