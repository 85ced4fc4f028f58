"""What goes over the network for one question: where to, how much comes back, and how long it may take altogether.

LiteLLM sends everything through one ``Session``. A request goes nowhere but to an address that may be asked, is never
redirected, and its reply ends at a number of bytes and at a moment, however slowly it trickles. What was seen is noted,
so that a failure is told by facts and not by a library's wording.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from fumehood.errors import InternalError, PolicyError

LARGEST_REPLY: Final = 2 * 1024 * 1024
"""Bytes of a reply, which holds 4,096 tokens of text as a rule."""
_WORDS: Final = 4096
"""Bytes that are kept of what a server says about a failure."""


class TooLarge(httpx.TransportError):
    """The reply has more bytes than are taken."""


class WrongType(httpx.TransportError):
    """The reply is no JSON."""


class Overdue(httpx.ReadTimeout):
    """The reply is not complete in time."""


@dataclass
class Exchange:
    """One question on the wire; ``permits`` says whether an address may be asked."""

    deadline: float
    """``time.monotonic()`` at which it is over."""
    permits: Callable[[str], bool]
    sent: bool = False
    """Whether a request was begun."""
    status: int | None = None
    headers: httpx.Headers = field(default_factory=httpx.Headers)
    words: bytes = b""
    """What the server said, where it refused."""
    trouble: Exception | None = None
    """What went wrong below HTTP, or with what came."""


_THREAD = threading.local()
"""Holds ``exchange`` of the thread whose question is on the wire."""


@contextmanager
def exchanging(exchange: Exchange) -> Iterator[Exchange]:
    """Everything that this thread sends inside belongs to ``exchange``."""
    _THREAD.exchange = exchange
    try:
        yield exchange
    finally:
        _THREAD.exchange = None


class Session(httpx.Client):
    """Sends for whoever is ``exchanging``, and for nobody else."""

    def __init__(self) -> None:
        super().__init__(
            follow_redirects=False,
            headers={"Accept-Encoding": "identity"},  # a compressed reply could be larger than what was counted
            event_hooks={"request": [_before], "response": [_after]},
        )

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        try:
            return super().send(request, **options)
        except (httpx.HTTPError, PolicyError) as error:
            _current().trouble = error
            raise


def _current() -> Exchange:
    exchange: Exchange | None = getattr(_THREAD, "exchange", None)
    if exchange is None:
        raise InternalError("something else than a question was about to be sent to a language model's server")
    return exchange


def _before(request: httpx.Request) -> None:
    exchange = _current()
    if not exchange.permits(str(request.url)):
        raise PolicyError(
            f"the floor of this machine lets no language model be asked at {request.url.host}",
            "fumehood policy explain shows which hosts may be asked; give one of them with --llm-base-url",
        )
    request.headers["Accept-Encoding"] = "identity"
    exchange.sent, exchange.status, exchange.words = True, None, b""


def _after(response: httpx.Response) -> None:
    exchange = _current()
    exchange.status, exchange.headers = response.status_code, response.headers
    if response.is_success and "json" not in response.headers.get("content-type", "json").lower():
        raise WrongType(f"the reply is of type {response.headers['content-type']}, not JSON")
    if "content-encoding" in response.headers and response.headers["content-encoding"] != "identity":
        raise WrongType(f"the reply is compressed ({response.headers['content-encoding']}), which was not asked for")
    response.stream = _Bounded(response.stream, exchange)


class _Bounded(httpx.SyncByteStream):
    def __init__(self, stream: Any, exchange: Exchange) -> None:
        self._stream, self._exchange = stream, exchange

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for chunk in self._stream:
            size += len(chunk)
            if size > LARGEST_REPLY:
                raise TooLarge(f"the reply has more than {LARGEST_REPLY} bytes")
            if time.monotonic() > self._exchange.deadline:
                raise Overdue("the reply is not complete in time")
            if self._exchange.status != httpx.codes.OK:
                self._exchange.words = (self._exchange.words + chunk)[:_WORDS]
            yield chunk

    def close(self) -> None:
        self._stream.close()
