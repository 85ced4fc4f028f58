"""Texts as tokens: a tokenizer without state, and a vocabulary that is fitted on training texts only.

A text is put into Unicode's composed form and lower case; its tokens are runs of letters, digits and underscores, and
every other visible character by itself. The vocabulary is the words that at least two training texts have, the most
frequent first, 20,000 indices at most: a word seen once teaches nothing but what an unknown word is like, and so the
index for unknown words is trained too. The length is that of the longest training text, or the limit.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fumehood_runner.prepare.cells import Rows
from fumehood_runner.prepare.refusals import Refused, shown
from fumehood_shared.messages import RefusalKind, TokenEncoding

UNKNOWN: Final = 1
FIRST_WORD: Final = 2
_MOST_WORDS = 20_000 - FIRST_WORD
_FEWEST_TEXTS = 2
_LONGEST_WORD = 64
"""Characters; what is longer is noise and unknown."""
_BLOCK_TOKENS = 1 << 21
_TOKEN = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class Texts:
    """A text for every row."""

    name: str
    values: tuple[str, ...]
    limit: int
    """Tokens at most, as the user asked."""
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        return len(self.values)

    def pick(self, rows: Rows) -> "Texts":
        return replace(self, values=tuple(self.values[row] for row in rows.tolist()))


def tokens(text: str) -> Iterator[str]:
    """Its tokens, in their order."""
    return (match.group() for match in _TOKEN.finditer(unicodedata.normalize("NFC", text).lower()))


def fit(texts: Texts, train: Rows) -> tuple[TokenEncoding, tuple[str, ...]]:
    """Vocabulary and length of the rows ``train``, and notes."""
    found: Counter[str] = Counter()
    longest = 1
    for row in train.tolist():
        words = list(islice(tokens(texts.values[row]), texts.limit))
        found.update({word for word in words if len(word) <= _LONGEST_WORD})
        longest = max(longest, len(words))
    ranked = sorted((-count, word) for word, count in found.items() if count >= _FEWEST_TEXTS)
    if not ranked:
        raise Refused(
            RefusalKind.NO_FEATURES,
            f"No word of {shown(texts.name)} is in two training texts, so there is nothing to learn from them.",
        )
    vocabulary = tuple(word for _, word in ranked[:_MOST_WORDS])
    note = f"Texts in {shown(texts.name)}: {len(vocabulary)} words from the training rows"
    note += f"; {len(found) - len(vocabulary)} rarer ones count as unknown." if len(found) > len(vocabulary) else "."
    return TokenEncoding(column=texts.name, length=longest, vocabulary=vocabulary), (note,)


def odd(encoding: TokenEncoding, texts: Texts) -> tuple[str, ...]:
    """Notes about texts that were cut, or have no token."""
    longer = empty = 0
    for text in texts.values:
        count = sum(1 for _ in islice(tokens(text), encoding.length + 1))
        longer += count > encoding.length
        empty += count == 0
    notes = []
    if longer:
        notes.append(f"{longer} of {texts.rows} texts are longer than {encoding.length} words and were cut there.")
    if empty:
        notes.append(f"{empty} of {texts.rows} texts have no word at all.")
    return tuple(notes)


def blocks(encoding: TokenEncoding, texts: Texts, rows: Rows) -> Iterator[NDArray[np.int64]]:
    """Tokens of ``rows``, in their order, in blocks of B x L, 0 behind the end of a text."""
    place = {word: index for index, word in enumerate(encoding.vocabulary, start=FIRST_WORD)}
    step = max(1, _BLOCK_TOKENS // encoding.length)
    for start in range(0, len(rows), step):
        chosen = rows[start : start + step].tolist()
        block = np.zeros((len(chosen), encoding.length + encoding.zeros), dtype=np.int64)
        for line, row in zip(block, chosen, strict=True):
            found = [place.get(word, UNKNOWN) for word in islice(tokens(texts.values[row]), encoding.length)]
            line[: max(1, len(found))] = found or UNKNOWN
        yield block
