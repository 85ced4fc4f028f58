"""``logs/llm.jsonl``: every question that was put, one line each, redacted, and on disk before anybody acts on it.

A line says what was asked and answered, what it took, and how it ended. Lines are only ever added.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Annotated, Final, Literal, Protocol

from pydantic import Field, ValidationError

from fumehood.errors import UsageError
from fumehood.records import Call, Phase, Record
from fumehood.text import json_document, plain

LONGEST_LINE: Final = 16 * 1024 * 1024
"""Bytes. Prompts and answers are far shorter."""
LARGEST_FILE: Final = 1024 * 1024 * 1024
"""Bytes of a transcript that are read."""
_HINT: Final = "give a run's logs/llm.jsonl"


End = Literal["answered", "retried", "failed", "budget"]


class Said(Record):
    role: Literal["system", "user", "assistant"]
    content: str


class Line(Record):
    """One question on its way to one model, once: a second try is a second line."""

    number: Annotated[int, Field(ge=1)]
    at: str
    """UTC, ISO 8601: when it was put."""
    purpose: str
    phase: Phase
    model: str
    messages: tuple[Said, ...]
    """As they were sent."""
    max_tokens: Annotated[int, Field(ge=1)]
    schema_sent: bool
    """Whether the server was given the form of the answer to enforce."""
    reply: str | None
    """None where none came."""
    finish: str = ""
    """Why the model stopped, in its server's words: stop, length ..."""
    prompt_tokens: Annotated[int, Field(ge=0)]
    completion_tokens: Annotated[int, Field(ge=0)]
    tokens: Literal["reported", "estimated"] = "reported"
    cost_usd: Annotated[float, Field(ge=0)] | None
    """None where nobody knows the price."""
    latency_s: Annotated[float, Field(ge=0)]
    failure: str = ""
    """Why there is no usable answer."""
    hint: str = ""
    end: End
    """What followed: the answer was handed on, the question was put again, it was given up, or it was not put at all
    because the budget might not have covered it."""

    def as_bytes(self) -> bytes:
        """As it is written, without the end of the line."""
        return json_document(self.model_dump(mode="json"), indent=None).rstrip("\n").encode()

    def call(self, written: bytes) -> Call:
        """What the journal keeps of it; ``written`` is the line as it stands in the file."""
        return Call(
            number=self.number,
            purpose=self.purpose,
            phase=self.phase,
            model=self.model,
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            cost_usd=self.cost_usd,
            latency_s=self.latency_s,
            failure=self.failure,
            digest=hashlib.sha256(written).hexdigest(),
        )


class Pages(Protocol):
    """Where lines go."""

    @property
    def following(self) -> int:
        """Number of the next line."""
        ...

    def append(self, line: bytes) -> None:
        """Add one line, which has no end yet."""
        ...


class LoosePages(Pages):
    """Lines that are kept in memory until there is a transcript to add them to."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._bound: Transcript | None = None

    @property
    def following(self) -> int:
        return len(self._lines) + 1 if self._bound is None else self._bound.following

    def append(self, line: bytes) -> None:
        if self._bound is None:
            self._lines.append(line)
        else:
            self._bound.append(line)

    def bind(self, transcript: "Transcript") -> None:
        """From here on, and for what came before, ``transcript`` is where lines go."""
        for line in self._lines:
            transcript.append(line)
        self._lines, self._bound = [], transcript


class Transcript(Pages):
    """The file at ``path``, to which lines are added. What a killed process left unfinished at its end is cut off."""

    def __init__(self, path: Path) -> None:
        self._lock = Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b")
        except OSError as error:
            raise UsageError(
                f"the transcript {path} cannot be written: {error.strerror}", "give permission, or another --workdir"
            ) from error
        complete = 0
        self._count = 0
        for line in self._file:
            if line.endswith(b"\n"):
                complete, self._count = complete + len(line), self._count + 1
        self._file.truncate(complete)
        self._file.seek(complete)

    @property
    def following(self) -> int:
        """Number of the next line."""
        return self._count + 1

    def append(self, line: bytes) -> None:
        """Add one line, which has no end yet; it is on disk when this returns."""
        with self._lock:
            self._file.write(line + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
            self._count += 1

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> "Transcript":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def lines(path: Path) -> Iterator[tuple[Line, bytes]]:
    """Every line that is there now, parsed and as it stands. Raises UsageError at the first wrong one, naming it."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST_FILE:
                raise UsageError(f"{_shown(path)} is no transcript: it is too large, or no file", _HINT)
            number, left = 0, status.st_size
            while left > 0 and (written := file.readline(LONGEST_LINE + 1)):
                number, left = number + 1, left - len(written)
                yield _line(written, number, path), written.removesuffix(b"\n")
    except OSError as error:
        raise UsageError(f"the transcript {_shown(path)} cannot be read: {error.strerror}", _HINT) from error


def _without_waiting(path: str, flags: int) -> int:
    """Opens a FIFO too, where a plain open would wait for its writer for ever."""
    return os.open(path, flags | os.O_NONBLOCK)


def _line(written: bytes, number: int, path: Path) -> Line:
    try:
        if len(written) > LONGEST_LINE:
            raise _wrong(path, number, f"is longer than {LONGEST_LINE} bytes")
        line = Line.model_validate_json(written)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise _wrong(path, number, f"is no call: {where + ': ' if where else ''}{first['msg']}") from None
    if line.number != number:
        raise _wrong(path, number, f"says that it is call {line.number}")
    return line


def _wrong(path: Path, number: int, what: str) -> UsageError:
    return UsageError(
        f"line {number} of the transcript {_shown(path)} {plain(what, 200)}", "give a run's logs/llm.jsonl"
    )


def _shown(path: Path) -> str:
    return plain(str(path), 200)
