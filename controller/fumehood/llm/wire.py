"""What goes over the network for one question: where to, how much comes back, and how long it may take altogether.

LiteLLM sends what it sends through one ``Session``, and is waited for no longer than a question may take. A request
goes nowhere but to an address that may be asked, is never redirected, and its reply ends at a number of bytes and at a
moment, however slowly it trickles. What was seen is noted, so that a failure is told by facts and not by a library's
wording.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, cast

import httpx

from fumehood.errors import InternalError, PolicyError

T = TypeVar("T")

LARGEST_REPLY: Final = 2 * 1024 * 1024
"""Bytes of a reply, which holds 4,096 tokens of text as a rule."""
_GRACE_S: Final = 1.0
"""After its deadline, in which a question that is late ends by itself and tells more."""
_WORDS: Final = 4096
"""Bytes that are kept of a reply, for messages."""


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
    """What the reply begins with."""
    trouble: Exception | None = None
    """What went wrong below HTTP, or with what came."""


_THREAD = threading.local()
"""Holds ``exchange`` of the thread whose question is on the wire."""


def exchanged(exchange: Exchange, work: Callable[[], T]) -> T:
    """What ``work`` returns or raises; everything that it sends belongs to ``exchange``.

    Raises ``Overdue`` where it takes longer: a server can make a library wait for ever with one byte now and then. What
    becomes of such work is not looked at any more.
    """
    outcome: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        _THREAD.exchange = exchange
        try:
            outcome.put((work(), None))
        except BaseException as error:  # noqa: BLE001  # raised in the thread that waits
            outcome.put((None, error))

    threading.Thread(target=run, name="question", daemon=True).start()
    try:
        value, error = outcome.get(timeout=max(exchange.deadline - time.monotonic(), 0.0) + _GRACE_S)
    except queue.Empty:
        raise Overdue("the reply is not complete in time") from None
    if error is not None:
        raise error
    return cast(T, value)


class Session(httpx.Client):
    """Sends for an ``exchanged`` question, and for nobody else."""

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
            self._exchange.words = (self._exchange.words + chunk)[:_WORDS]
            yield chunk

    def close(self) -> None:
        self._stream.close()
