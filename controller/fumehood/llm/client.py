"""Asks a language model for real: through LiteLLM, with every try bounded, counted, written down and told of.

One question at a time. A try that fails for a reason that may pass is made again, then the second model is asked, and
a model that was given up is not asked again by this client. No exception raised here holds a key, nor was raised from
one that does.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import tenacity
from pydantic import SecretStr

from fumehood.errors import BudgetError, InternalError, LlmError
from fumehood.llm import answering, library, settings
from fumehood.llm.answering import Asked, Read, Reply
from fumehood.llm.failures import Failed, Place, failed
from fumehood.llm.ledger import Ledger
from fumehood.llm.model import Question
from fumehood.llm.parsing import Unreadable, readable
from fumehood.llm.price import Price, estimate
from fumehood.llm.redaction import Redactor, secrets_of
from fumehood.llm.settings import Keys
from fumehood.llm.transcript import End, Line, Pages, Said
from fumehood.llm.wire import Exchange, exchanged
from fumehood.records import Call, LlmSettings

T = TypeVar("T")

NO_KEY: Final = "none"
"""What a server that wants no key is told, because the OpenAI library will have one."""
LONGEST_REPLY: Final = 300_000
"""Characters of a reply that are kept, which is more than the largest candidate has; a longer one counts as cut off."""
_TOKENS_A_MESSAGE: Final = 8
"""About as many as a server puts around each."""
_LEAST_CONTEXT: Final = 8192
_LONGEST_BACK_OFF_S: Final = 30.0
_PATIENCE: Final = 2.0
_MORE_PATIENCE_S: Final = 60.0
"""No try begins later than so many limits of one and these seconds after the first."""


@dataclass
class _Route:
    """One of the models that may be asked."""

    place: Place
    key: SecretStr | None
    price: Price | None
    takes_schema: bool | None = None
    """Learnt from questions that it took with a JSON schema, or without only; None before."""
    given_up: bool = False


@dataclass(frozen=True)
class _Got:
    """A reply, and how many tokens its server says it has; 0 where it says nothing."""

    reply: Reply
    completion_tokens: int


@dataclass(frozen=True)
class _Missed:
    """A try without a reply; ``line`` says so, and is not written before it is known what follows."""

    why: Failed
    line: Line


class Client:
    """A ``LanguageModel``. Every line of ``transcript`` is told of to ``on_call``, in order.

    ``environment``: where keys may stand that must never be written down; none of them is used.
    """

    def __init__(
        self,
        asked: LlmSettings,
        keys: Keys,
        transcript: Pages,
        ledger: Ledger,
        on_call: Callable[[Call], None],
        *,
        environment: Mapping[str, str],
        permits: Callable[[str], bool] = lambda _: True,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings, self._keys = asked, keys
        self._transcript, self._ledger, self._on_call = transcript, ledger, on_call
        self._permits, self._sleep = permits, sleep
        secrets = [key.get_secret_value() for key in (keys.first, keys.fallback) if key is not None]
        self._redactor = Redactor([*secrets, *secrets_of(environment)])
        self._routes: list[_Route] = []
        self._lock = threading.RLock()

    @property
    def name(self) -> str:
        return self._settings.model

    @property
    def takes_schema(self) -> bool | None:
        """Whether the model in use takes a JSON schema; None before it was asked for an object."""
        return next((route.takes_schema for route in self._routes if not route.given_up), None)

    def ask(self, question: Question[T]) -> T:
        """See ``LanguageModel``."""
        with self._lock:
            return answering.answer(question, self)

    def carry(self, asked: Asked, read: Read[T]) -> T | Unreadable:
        """Put one question to the first model that replies. Raises LlmError where none does."""
        said: list[str] = []
        for route in self._open_routes():
            outcome = self._insist(route, asked, read)
            if not isinstance(outcome, _Missed):
                return outcome
            said.append(outcome.why.what)
            if route is self._routes[-1]:
                self._write(outcome.line.model_copy(update={"failure": "; and ".join(said)}), "failed")
                raise LlmError("; and ".join(said), outcome.why.hint)
            route.given_up = True
            self._write(outcome.line, "retried")
        raise InternalError("no language model is left to be asked, not even the last one")

    # ---- tries -------------------------------------------------------------------------------------------------------

    def _insist(self, route: _Route, asked: Asked, read: Read[T]) -> T | Unreadable | _Missed:
        """Try as often as it makes sense; the last try, if all were in vain."""
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_result(lambda outcome: isinstance(outcome, _Missed) and outcome.why.again),
            wait=self._wait,
            stop=tenacity.stop_any(
                tenacity.stop_after_attempt(self._settings.max_retries + 1),
                tenacity.stop_before_delay(_PATIENCE * self._settings.timeout_s + _MORE_PATIENCE_S),
            ),
            before_sleep=lambda state: self._write(_missed(state).line, "retried"),
            retry_error_callback=_missed,
            sleep=self._sleep,
        )
        outcome: T | Unreadable | _Missed = retrying(self._try, route, asked, read)
        return outcome

    def _wait(self, state: tenacity.RetryCallState) -> float:
        """Seconds before the next try: what the server asks for, else more and more, by chance."""
        asked_for = _missed(state).why.after_s
        back_off = tenacity.wait_random_exponential(multiplier=self._settings.backoff_s, max=_LONGEST_BACK_OFF_S)
        return back_off(state) if asked_for is None else asked_for

    def _try(self, route: _Route, asked: Asked, read: Read[T]) -> T | Unreadable | _Missed:
        """One try, or two where the first is refused and the JSON schema in it may be why."""
        if asked.schema is None or route.takes_schema is False:
            return self._put(route, asked, read, with_schema=False)
        outcome = self._put(route, asked, read, with_schema=True)
        if not isinstance(outcome, _Missed):
            route.takes_schema = True
        elif outcome.why.refused and route.takes_schema is None:
            self._write(outcome.line, "retried")
            outcome = self._put(route, asked, read, with_schema=False)
            route.takes_schema = None if isinstance(outcome, _Missed) else False
        return outcome

    def _put(self, route: _Route, asked: Asked, read: Read[T], *, with_schema: bool) -> T | Unreadable | _Missed:
        """Put the question on the wire, once. Raises BudgetError where it may cost too much; that is on record, too."""
        draft = self._draft(route, asked, with_schema=with_schema)
        expected = _expected(asked)
        try:
            reserved = self._ledger.reserve(expected, asked.max_tokens, route.price)
        except BudgetError as error:
            self._write(draft.model_copy(update={"cost_usd": 0.0, "failure": error.what, "hint": error.hint}), "budget")
            raise
        started = time.monotonic()
        got = self._complete(route, asked, with_schema=with_schema)
        line = draft.model_copy(
            update={"latency_s": round(time.monotonic() - started, 4), **_figures(got, expected, route.price)}
        )
        self._ledger.settle(reserved, line.prompt_tokens + line.completion_tokens, line.cost_usd)
        if isinstance(got, Failed):
            if got.interrupted_by is not None:
                self._write(line, "retried")  # whoever goes on later asks again
                raise got.interrupted_by
            return _Missed(got, line)
        outcome = read(got.reply)
        failure = self._clean(outcome.why) if isinstance(outcome, Unreadable) else ""
        self._write(line.model_copy(update={"failure": failure}), "answered")
        return outcome

    def _complete(self, route: _Route, asked: Asked, *, with_schema: bool) -> _Got | Failed:
        """What LiteLLM got, or why it got nothing.

        Whatever was raised is left behind here: it may hold the request, and so the key.
        """
        exchange = Exchange(deadline=time.monotonic() + self._patience_s, permits=self._permits)
        request = self._request(route, asked, with_schema=with_schema)
        try:
            response = exchanged(exchange, lambda: library.litellm().completion(**request))
        except Exception as error:  # noqa: BLE001  # any of LiteLLM's hundred: each is a try without a reply
            return failed(error, exchange, route.place)
        except BaseException as stop:  # noqa: BLE001  # raised anew as soon as it is written down that it was asked
            return Failed(
                "interrupted before the answer came", "", billed=exchange.sent, interrupted_by=type(stop)(*stop.args)
            )
        if not getattr(response, "choices", None):
            return failed(ValueError("there is no choice in it"), exchange, route.place)
        return self._got(response)

    @property
    def _patience_s(self) -> float:
        """Of one try: no answer is waited for when the run's time is over."""
        return min(self._settings.timeout_s, max(self._ledger.time_left_s(), 1.0))

    def _request(self, route: _Route, asked: Asked, *, with_schema: bool) -> dict[str, Any]:
        provider = route.place.model.partition("/")[0]
        request: dict[str, Any] = {
            "model": route.place.model,
            "messages": [{"role": one.role, "content": one.content} for one in asked.messages],
            "max_tokens": asked.max_tokens,
            "api_base": route.place.base_url,
            "api_key": _key(route),
            "timeout": self._patience_s,
            "max_retries": 0,
            "client": library.handler(provider),
            "num_ctx": _context(asked) if provider in ("ollama", "ollama_chat") else None,
        }
        if with_schema:
            form = {"name": asked.purpose, "schema": asked.schema, "strict": False}
            request["response_format"] = {"type": "json_schema", "json_schema": form}
        return {name: value for name, value in request.items() if value is not None}

    def _got(self, response: Any) -> _Got:
        choice = response.choices[0]
        text = readable(getattr(getattr(choice, "message", None), "content", None) or "")
        finish = readable(str(getattr(choice, "finish_reason", None) or ""))[:40]
        finish = "length" if len(text) > LONGEST_REPLY else self._clean(finish)
        usage = getattr(response, "usage", None)
        prompt, completion = (getattr(usage, name, None) or 0 for name in ("prompt_tokens", "completion_tokens"))
        return _Got(Reply(self._clean(text)[:LONGEST_REPLY], finish, int(prompt)), int(completion))

    # ---- on record ---------------------------------------------------------------------------------------------------

    def _draft(self, route: _Route, asked: Asked, *, with_schema: bool) -> Line:
        return Line(
            number=self._transcript.following,
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            purpose=asked.purpose,
            phase=asked.phase,
            model=route.place.model,
            messages=tuple(Said(role=one.role, content=self._clean(one.content)) for one in asked.messages),
            max_tokens=asked.max_tokens,
            schema_sent=with_schema,
            reply=None,
            prompt_tokens=0,
            completion_tokens=0,
            cost_usd=None,
            latency_s=0.0,
            end="failed",
        )

    def _write(self, line: Line, end: End) -> None:
        line = line.model_copy(update={"number": self._transcript.following, "end": end})
        written = line.as_bytes()
        self._transcript.append(written)
        self._on_call(line.call(written))

    def _clean(self, text: str) -> str:
        return self._redactor.clean(text)

    # ---- routes ------------------------------------------------------------------------------------------------------

    def _open_routes(self) -> list[_Route]:
        if not self._routes:
            found = self._settings
            self._routes = [self._route(found.model, found.base_url, self._keys.first)]
            if found.fallback_model is not None:
                self._routes.append(self._route(found.fallback_model, found.fallback_base_url, self._keys.fallback))
        return [route for route in self._routes if not route.given_up]

    def _route(self, model: str, base_url: str | None, key: SecretStr | None) -> _Route:
        variable = settings.own_variable(model)
        place = Place(model, base_url, self._settings.timeout_s, variable, key is not None, self._redactor)
        return _Route(place, key, library.price(model) if settings.is_own(model, base_url) else None)


def _key(route: _Route) -> str | None:
    """None leaves it to LiteLLM to find one, at a provider whose address only LiteLLM knows.

    Anywhere else it would send what it finds in the environment to a server that it is not meant for.
    """
    if route.key is not None:
        return route.key.get_secret_value()
    return None if route.place.base_url is None else NO_KEY


def _expected(asked: Asked) -> int:
    """About how many tokens the question is."""
    return sum(estimate(one.content) + _TOKENS_A_MESSAGE for one in asked.messages)


def _context(asked: Asked) -> int:
    """Tokens that an Ollama server is to have room for: by itself it cuts off what is longer than its default, and
    tells nobody. A power of two, because it loads the model anew where the number changes."""
    return max(_LEAST_CONTEXT, 1 << (_expected(asked) + asked.max_tokens - 1).bit_length())


def _missed(state: tenacity.RetryCallState) -> _Missed:
    missed = state.outcome.result() if state.outcome is not None else None
    if not isinstance(missed, _Missed):
        raise InternalError("a question was to be put again although it was answered")
    return missed


def _figures(got: _Got | Failed, expected: int, price: Price | None) -> dict[str, Any]:
    """What a line says of a try's outcome. Tokens are the server's count, or about as many where it gives none."""
    if isinstance(got, Failed):
        found: dict[str, Any] = {"failure": got.what, "hint": got.hint, "tokens": "estimated"}
        prompt, completion = expected if got.billed else 0, 0
    else:
        found = {"reply": got.reply.text, "finish": got.reply.finish}
        prompt, completion = got.reply.prompt_tokens, got.completion_tokens
        if prompt <= 0 or completion <= 0:
            found["tokens"] = "estimated"
            prompt, completion = expected, estimate(got.reply.text)
    free = prompt + completion == 0
    cost = 0.0 if free else None if price is None else price.of(prompt, completion)
    return found | {"prompt_tokens": prompt, "completion_tokens": completion, "cost_usd": cost}
