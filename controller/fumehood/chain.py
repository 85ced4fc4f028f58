"""Lines of a journal, each chained to the one before by its hash and, where a key is given, signed. Pure.

Bytes come in; entries come out as far as the chain holds, and every line at which it does not is named. One change is
named once: a line is compared with the one that stands before it, whatever is wrong with that one.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import ValidationError

from fumehood.records import Record
from fumehood.signing import SigningKey

SIGNED_WITH: Final = "signed_with"
"""Field of the first line's body with the name of the key; without it no line is signed."""
_GENESIS: Final = "0" * 64
_MOST_BREAKS: Final = 20


class Entry(Record):
    """One line. ``hash`` is the SHA-256 of the fields above it as canonical JSON, the previous line's hash included."""

    number: int
    at: str
    kind: str
    body: dict[str, Any]
    previous: str
    hash: str
    signature: str | None = None
    """HMAC of ``hash``; absent in a journal that is not signed."""

    def line(self) -> bytes:
        """As it is written, without the end of the line."""
        return _canonical(self.model_dump(exclude={"signature"} if self.signature is None else None)).encode()


@dataclass(frozen=True)
class Break:
    """A line of a journal that is not what was written."""

    line: int
    what: str

    def __str__(self) -> str:
        return f"line {self.line} of journal.jsonl {self.what}"


@dataclass(frozen=True)
class Chain:
    entries: list[Entry]
    """As far as the chain holds: those before the first break."""
    breaks: tuple[Break, ...]
    """In order; the first ones, where there are many."""
    tail: int
    """Bytes after the last complete line: a step that was not finished."""

    @property
    def signed_with(self) -> str | None:
        return signed_with(self.entries[0]) if self.entries else None


def signed_with(first: Entry) -> str | None:
    """Name of the key that a journal with this first line is signed with."""
    name = first.body.get(SIGNED_WITH)
    return name if isinstance(name, str) else None


def follow(
    before: Entry | None, kind: str, body: Mapping[str, Any], key: SigningKey | None, at: datetime | None = None
) -> Entry:
    """The entry that comes after ``before``, or the first one; ``at`` None is now, by the wall clock."""
    fields = {
        "number": before.number + 1 if before else 1,
        "at": (at or datetime.now(UTC)).isoformat(timespec="milliseconds"),
        "kind": kind,
        "body": dict(body),
        "previous": before.hash if before else _GENESIS,
    }
    found = _hash(fields)
    return Entry(**fields, hash=found, signature=key.sign(found) if key else None)


def verify(content: bytes, key: SigningKey | None = None) -> Chain:
    """Check every complete line of ``content``, and the signatures if the journal says that they are of ``key``."""
    entries: list[Entry] = []
    breaks: list[Break] = []
    end = content.rfind(b"\n") + 1
    for found in checked(_lines(content[:end]), key):
        if isinstance(found, Break):
            breaks.append(found)
            if len(breaks) == _MOST_BREAKS:
                break
        elif not breaks:
            entries.append(found)
    return Chain(entries, tuple(breaks), len(content) - end)


def checked(lines: Iterable[bytes], key: SigningKey | None) -> Iterator[Entry | Break]:
    """Every line, without its end: the entry that it is, or how it is not what was written."""
    before: Entry | None = None
    for number, line in enumerate(lines, start=1):
        entry = _parse(line)
        if number == 1 and entry and key and signed_with(entry) != key.name:
            key = None
        wrong = _wrong(entry, line, before, key, first=number == 1) if entry else "is not a journal entry"
        if wrong:
            yield Break(number, wrong)
        elif entry:
            yield entry
        before = entry


def _lines(content: bytes) -> Iterator[bytes]:
    """Without a list of all of them: a file of newlines would make one of millions."""
    start = 0
    while (end := content.find(b"\n", start)) >= 0:
        yield content[start:end]
        start = end + 1


def _parse(line: bytes) -> Entry | None:
    try:
        return Entry.model_validate_json(line)
    except ValidationError:
        return None


def _wrong(entry: Entry, line: bytes, before: Entry | None, key: SigningKey | None, *, first: bool) -> str | None:
    """What is wrong with a line, if something is. ``before`` None and not ``first``: what stood there is not known."""
    if not _is_as_written(entry, line):
        return "was changed after it was written"
    if first or before:
        if (entry.number, entry.previous) != _expected(before):
            return "does not follow from the line before it"
        signed = before.signature is not None if before else signed_with(entry) is not None
        if signed is not (entry.signature is not None):
            return "is not signed, and should be" if signed else "is signed, and the run began without a key"
    if key and entry.signature is not None and not key.verifies(entry.hash, entry.signature):
        return "does not have the key's signature"
    return None


def _is_as_written(entry: Entry, line: bytes) -> bool:
    try:
        parts = _parts(dict(entry))
        found = _joined({name: part for name, part in parts.items() if name not in ("hash", "signature")})
        if entry.signature is None:
            del parts["signature"]
        return hashlib.sha256(found.encode()).hexdigest() == entry.hash and _joined(parts).encode() == line
    except (ValueError, RecursionError):  # numbers that are not finite or have thousands of digits
        return False


def _expected(before: Entry | None) -> tuple[int, str]:
    return (before.number + 1, before.hash) if before else (1, _GENESIS)


def _hash(fields: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical(fields).encode()).hexdigest()


def _canonical(fields: Mapping[str, Any]) -> str:
    """The line's own fields in alphabetical order; what is in them stays in the order that it has for readers."""
    return _joined(_parts(fields))


def _parts(fields: Mapping[str, Any]) -> dict[str, str]:
    """Every field as JSON, which takes most of the time that a line takes."""
    return {
        name: json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
        for name, value in sorted(fields.items())
    }


def _joined(parts: Mapping[str, str]) -> str:
    return "{" + ",".join(f'"{name}":{part}' for name, part in parts.items()) + "}"
