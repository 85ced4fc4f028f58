"""A language model's server on the loopback interface, which says what a script tells it to.

It speaks OpenAI's dialect (``/v1/chat/completions``, ``/v1/models``), Ollama's (``/api/chat``, ``/api/tags``) and
Anthropic's (``/v1/messages``), over real sockets, and keeps every request that it saw. A script is a list of steps, one
a question:

    "text", {"an": "object"}                  an answer
    Say(text, finish="length", usage=None)    an answer, in detail
    Refuse(429, "slow down", {"Retry-After": "1"})
    Stall(), Reset(), CutOff("half an ans"), Trickle(), Drip(), Flood(10 * 2**20), Raw(b"<html>", "text/html")
    a function                                called with the Request; returns a step

Where the script is over, every further question is refused with status 418, which no client tries again.
"""

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

USAGE = (100, 20)
"""Tokens of every question and answer, unless a step says something else."""


@dataclass(frozen=True)
class Say:
    text: str
    finish: str = "stop"
    usage: tuple[int, int] | None = USAGE


@dataclass(frozen=True)
class Refuse:
    status: int
    message: str = "no"
    headers: Mapping[str, str] = field(default_factory=dict)
    code: str = ""


@dataclass(frozen=True)
class Stall:
    """Takes the question and says nothing, until the server ends."""


@dataclass(frozen=True)
class Reset:
    """Resets the connection instead of answering."""


@dataclass(frozen=True)
class CutOff:
    """Announces an answer, sends half of it, and closes."""

    text: str


@dataclass(frozen=True)
class Trickle:
    """Sends one blank of an answer after the other, without end."""


@dataclass(frozen=True)
class Drip:
    """Sends one byte of a header after the other, without end."""


@dataclass(frozen=True)
class Flood:
    """An answer of so many bytes, well-formed."""

    size: int


@dataclass(frozen=True)
class Raw:
    content: bytes
    content_type: str = "application/json"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Answer = str | Mapping[str, Any] | Say | Refuse | Stall | Reset | CutOff | Trickle | Drip | Flood | Raw


@dataclass(frozen=True)
class Request:
    """``number`` begins with 0. ``headers``: names in lower case."""

    number: int
    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]

    @property
    def words(self) -> str:
        """All messages, one after the other."""
        return "\n".join(str(one["content"]) for one in self.body["messages"])


Step = Answer | Callable[[Request], Answer]


@dataclass
class Server:
    root: str
    steps: Sequence[Step]
    models: Sequence[str]
    requests: list[Request] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """As an OpenAI-compatible server."""
        return f"{self.root}/v1"

    def next_answer(self, path: str, headers: Mapping[str, str], body: dict[str, Any]) -> Answer:
        with self.lock:
            request = Request(len(self.requests), path, headers, body)
            self.requests.append(request)
        if request.number >= len(self.steps):
            return Refuse(418, "the script is over")
        step = self.steps[request.number]
        return step(request) if callable(step) else step


@contextmanager
def scripted(steps: Sequence[Step], models: Sequence[str] = ("gpt-oss:20b",), port: int = 0) -> Iterator[Server]:
    """Plays ``steps`` on ``port``; 0 is one that is free."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # otherwise a short answer waits 40 ms for its head to be confirmed

        def do_GET(self) -> None:
            _list(self, server)

        def do_POST(self) -> None:
            _play(self, server)

        def log_message(self, format: str, *args: object) -> None:
            return

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            return  # a client that gave up is what many scripts are about

    with Quiet(("127.0.0.1", port), Handler) as http:
        server = Server(f"http://127.0.0.1:{http.server_port}", steps, models)
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            http.shutdown()
            thread.join()


def _list(http: BaseHTTPRequestHandler, server: Server) -> None:
    if http.path == "/api/tags":
        _send(http, {"models": [{"name": name, "model": name} for name in server.models]})
    elif http.path == "/v1/models":
        _send(http, {"object": "list", "data": [{"id": name, "object": "model"} for name in server.models]})
    else:
        http.send_error(404)


def _play(http: BaseHTTPRequestHandler, server: Server) -> None:
    content = http.rfile.read(int(http.headers.get("Content-Length", "0")))
    body = cast(dict[str, Any], json.loads(content))
    path = http.path.partition("?")[0]
    answer = server.next_answer(path, {name.lower(): value for name, value in http.headers.items()}, body)
    match answer:
        case Refuse():
            error = {"message": answer.message, "type": "error", "code": answer.code or None}
            _send(http, {"error": answer.message if path == "/api/chat" else error}, answer.status, answer.headers)
        case Stall():
            http.close_connection = True
            server.over.wait(60)
        case Reset():
            http.close_connection = True
            http.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            http.connection.close()
        case CutOff():
            content = json.dumps(_spoken(path, body, Say(answer.text))).encode()
            _head(http, 200, "application/json", len(content), {})
            http.wfile.write(content[: len(content) // 2])
            http.close_connection = True
        case Trickle():
            _head(http, 200, "application/json", 10**9, {})
            while not server.over.wait(0.02):
                http.wfile.write(b" ")
                http.wfile.flush()
        case Drip():
            http.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
            while not server.over.wait(0.02):
                http.wfile.write(b"x")
                http.wfile.flush()
        case Flood():
            _send(http, _spoken(path, body, Say("x" * answer.size)))
        case Raw():
            _head(http, answer.status, answer.content_type, len(answer.content), answer.headers)
            http.wfile.write(answer.content)
        case Say():
            _send(http, _spoken(path, body, answer))
        case str():
            _send(http, _spoken(path, body, Say(answer)))
        case _:
            _send(http, _spoken(path, body, Say(json.dumps(answer))))


def _send(
    http: BaseHTTPRequestHandler, document: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> None:
    content = json.dumps(document).encode()
    _head(http, status, "application/json", len(content), headers or {})
    http.wfile.write(content)


def _head(http: BaseHTTPRequestHandler, status: int, kind: str, length: int, headers: Mapping[str, str]) -> None:
    http.send_response(status)
    http.send_header("Content-Type", kind)
    http.send_header("Content-Length", str(length))
    for name, value in headers.items():
        http.send_header(name, value)
    http.end_headers()


def _spoken(path: str, body: Mapping[str, Any], say: Say) -> dict[str, Any]:
    """An answer in the dialect of ``path``."""
    model = body.get("model", "model")
    prompt, completion = say.usage or (None, None)
    if path.endswith("/api/chat"):
        counts = {"prompt_eval_count": prompt, "eval_count": completion} if say.usage else {}
        message = {"role": "assistant", "content": say.text}
        told = {"model": model, "created_at": "2026-01-01T00:00:00Z", "message": message}
        return {**told, "done": True, "done_reason": say.finish, **counts}
    if path.endswith("/messages"):
        stop = {"stop": "end_turn", "length": "max_tokens"}.get(say.finish, say.finish)
        usage = {"input_tokens": prompt or 0, "output_tokens": completion or 0}
        content: list[dict[str, Any]] = [{"type": "text", "text": say.text}]
        if tools := body.get("tools"):
            try:
                used = {"type": "tool_use", "id": "tool_1", "name": tools[0]["name"], "input": json.loads(say.text)}
                content, stop = [used], "tool_use"
            except ValueError:
                pass  # a model may also answer in words where a tool is to be used
        told = {"id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": content}
        return {**told, "stop_reason": stop, "stop_sequence": None, "usage": usage}
    message = {"role": "assistant", "content": say.text}
    told = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": model}
    usage = (
        {"usage": {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": sum(say.usage)}}
        if (say.usage)
        else {}
    )
    return {**told, "choices": [{"index": 0, "message": message, "finish_reason": say.finish}], **usage}
