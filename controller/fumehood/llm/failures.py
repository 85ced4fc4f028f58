"""Why a question got no reply, told by what was seen on the wire. Pure.

The wording of a library or a server is used only where nothing better is known, clipped and without keys.
"""

import json
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

import httpx

from fumehood.errors import PolicyError
from fumehood.llm import naming, wire
from fumehood.llm.redaction import Redactor
from fumehood.llm.wire import Exchange
from fumehood.text import plain

_QUOTA: Final = re.compile(r"insufficient_quota|billing|exceeded your current quota", re.IGNORECASE)
_CONTEXT: Final = re.compile(r"context.{0,20}(length|window|size)|too many tokens|maximum.{0,20}tokens", re.IGNORECASE)
LONGEST_WAIT_S: Final = 120.0
"""A server that asks to wait longer than that is not asked again."""
_LOOK_AT_SERVER: Final = "look at the server's own log; fumehood doctor --llm asks it one small question"


@dataclass(frozen=True)
class Place:
    """Who was asked, for messages."""

    model: str
    """Full name."""
    base_url: str | None
    timeout_s: float
    key_variable: str
    has_key: bool
    redactor: Redactor

    def quote(self, text: str, limit: int = 200) -> str:
        """What a server or a library said, for a message: without keys, on one line, clipped."""
        return plain(self.redactor.clean(text), limit)

    @property
    def server(self) -> str:
        return self.base_url or self.model.partition("/")[0]


class Failed(Exception):
    """One try that got no reply. ``what`` and ``hint`` as in ``FumehoodError``; no key is in them."""

    def __init__(
        self,
        what: str,
        hint: str,
        *,
        again: bool = False,
        after_s: float | None = None,
        refused: bool = False,
        billed: bool = False,
        interrupted_by: BaseException | None = None,
    ) -> None:
        super().__init__(what)
        self.what, self.hint = what, hint
        self.again = again
        """Whether another try may fare better."""
        self.after_s = after_s
        """How long the server asks to wait before it."""
        self.refused = refused
        """Whether the question itself was refused, which a JSON schema in it may be the reason for."""
        self.billed = billed
        """Whether the question may have been read, and so have its price."""
        self.interrupted_by = interrupted_by


def failed(error: BaseException, exchange: Exchange, place: Place) -> Failed:
    """What ``error``, raised while ``exchange`` was under way, comes down to."""
    if (trouble := _trouble(error, exchange)) is not None:
        return _below_http(trouble, exchange, place)
    if exchange.status is not None and not 200 <= exchange.status < 300:
        return _status(exchange.status, exchange, place, _words(exchange, error, place))
    if not exchange.sent:
        words = place.quote(str(error), 300)
        refused = type(error).__name__ == "UnsupportedParamsError"
        return Failed(
            f"{place.model} could not be asked: {words}", "look at --llm-model and --llm-base-url", refused=refused
        )
    return Failed(
        f"{place.server} answered with something that is no answer of a language model, which begins with: "
        f"{place.quote(exchange.words.decode('utf-8', 'replace'), 120) or 'nothing'}",
        f"does it speak the protocol of {place.model.partition('/')[0]}? For an OpenAI-compatible server the address "
        "usually ends with /v1",
        billed=True,
    )


def _trouble(error: BaseException, exchange: Exchange) -> BaseException | None:
    """What went wrong below HTTP: as the session saw it, or as the error says of what did not go through it."""
    if isinstance(error, wire.Overdue):  # of whoever waited, not of the session
        return error
    if exchange.trouble is not None or exchange.sent:
        return exchange.trouble
    seen: BaseException | None = error
    for _ in range(10):
        if seen is None or isinstance(seen, httpx.TransportError):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None


def _below_http(trouble: BaseException, exchange: Exchange, place: Place) -> Failed:
    server = place.server
    if isinstance(trouble, PolicyError):
        return Failed(trouble.what, trouble.hint)
    if isinstance(trouble, wire.TooLarge):
        return Failed(
            f"{server} sent more than {wire.LARGEST_REPLY // 2**20} MiB in reply to a question; the rest was not read",
            _LOOK_AT_SERVER,
            billed=True,
        )
    if isinstance(trouble, wire.WrongType):
        return Failed(
            f"{server} does not answer like a language model: {place.quote(str(trouble))}",
            "look at --llm-base-url: for an OpenAI-compatible server it usually ends with /v1",
        )
    if isinstance(trouble, httpx.ConnectTimeout | httpx.PoolTimeout):
        return Failed(f"{server} could not be reached within {place.timeout_s:g} s", _reach(place), again=True)
    if isinstance(trouble, httpx.TimeoutException):
        return Failed(
            f"{place.model} at {server} gave no complete answer within {place.timeout_s:g} s",
            "a larger --llm-timeout, a smaller model, or a server that is less busy",
            again=True,
            billed=True,
        )
    if isinstance(trouble, httpx.UnsupportedProtocol | httpx.InvalidURL | httpx.ProxyError):
        return Failed(
            f"{server} could not be asked: {place.quote(str(trouble))}", "look at --llm-base-url and the proxy"
        )
    if isinstance(trouble, httpx.ConnectError):
        return Failed(f"nothing answers at {server}: {place.quote(str(trouble))}", _reach(place), again=True)
    return Failed(
        f"the connection to {server} broke off {'within the answer' if exchange.status else 'before an answer came'}",
        _LOOK_AT_SERVER,
        again=True,
        billed=True,
    )


def _reach(place: Place) -> str:
    if place.base_url is not None and f":{naming.OLLAMA_PORT}" in place.base_url:
        return "start it (ollama serve), or correct --llm-base-url"
    return "is it running, and is --llm-base-url right? Behind a proxy, set HTTPS_PROXY"


def _status(status: int, exchange: Exchange, place: Place, words: str) -> Failed:
    server = place.server
    said = f": {words}" if words else ""
    if status in (401, 403):
        has = "the key was refused" if place.has_key else "it wants a key, and none was found"
        return Failed(
            f"{server} does not let {place.model} be asked ({status}): {has}{said}",
            f"set FUMEHOOD_LLM_API_KEY, or give --llm-api-key-file ({place.key_variable} goes to that provider only)",
        )
    if status == 404:
        return Failed(f"{server} knows no model or path for {place.model} (404){said}", _unknown_model(place))
    if status == 429 and _QUOTA.search(words):
        return Failed(f"the account at {server} is used up (429){said}", "look at its quota and its bills")
    if status in (408, 409, 425, 429) or status >= 500:
        busy, after = "is asked too often" if status == 429 else "failed", _retry_after(exchange)
        is_long = after is not None and after > LONGEST_WAIT_S
        return Failed(
            f"{server} {busy} ({status}{f', and asks to wait {after:.0f} s' if is_long else ''}){said}",
            "wait, then: fumehood resume DIR; --llm-fallback-model names another model to ask meanwhile",
            again=not is_long,
            after_s=after,
        )
    if 300 <= status < 400:
        return Failed(
            f"{server} sends elsewhere ({status}), and a key goes nowhere but where it was meant to",
            f"give that address yourself: --llm-base-url {place.quote(exchange.headers.get('location', 'URL'))}",
        )
    if _CONTEXT.search(words):
        return Failed(
            f"the question is too long for {place.model} ({status}){said}",
            "a model with a larger context, or a server that is set to one (Ollama: OLLAMA_CONTEXT_LENGTH)",
            refused=True,
        )
    return Failed(f"{server} refused the question ({status}){said}", _LOOK_AT_SERVER, refused=status in (400, 422))


def _unknown_model(place: Place) -> str:
    provider, _, name = place.model.partition("/")
    if provider == "azure":
        return "--llm-model is the name of the deployment there, and AZURE_API_VERSION one of its versions"
    if place.base_url is not None and f":{naming.OLLAMA_PORT}" in place.base_url:
        return f"ollama pull {name}, or another --llm-model (ollama list)"
    if provider != "openai":
        return "look at --llm-model and --llm-base-url"
    return (
        "look at --llm-model and --llm-base-url; where the server's own name for it begins with openai/, write "
        f"--llm-model openai/openai/{name}"
    )


def _retry_after(exchange: Exchange) -> float | None:
    """Seconds that the server asks to wait: a number, or a date against its own clock."""
    text = exchange.headers.get("retry-after", "")
    if re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", text):
        return float(text)
    try:
        wanted, now = parsedate_to_datetime(text), parsedate_to_datetime(exchange.headers["date"])
        return max((wanted - now).total_seconds(), 0.0)
    except (KeyError, ValueError, TypeError):
        return None


def _words(exchange: Exchange, error: BaseException, place: Place) -> str:
    """What the server says about it: the message in its JSON document, if there is one."""
    said = exchange.words.decode("utf-8", "replace") or str(error)
    try:
        found = json.loads(said)
        found = found.get("error", found.get("detail", found))
        said = str(found.get("message", found) if isinstance(found, dict) else found)
        code = found.get("code") if isinstance(found, dict) else None
        said = f"{said} ({code})" if isinstance(code, str) and code else said
    except (ValueError, AttributeError, RecursionError):
        pass  # then its words are shown as they are
    return place.quote(said, 300)
