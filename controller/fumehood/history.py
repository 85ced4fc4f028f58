"""The iterations of a run, packed, so that a long run takes little memory: each is read when it is asked for.

Equal to any other sequence of the same iterations that is packed like this; compares in the time of a look.
"""

import zlib
from collections.abc import Iterable, Sequence
from typing import overload

from fumehood.records import Iteration


class History(Sequence[Iteration]):
    """Immutable."""

    def __init__(self, iterations: Iterable[Iteration] = ()) -> None:
        self._packed = tuple(map(_pack, iterations))

    @classmethod
    def _of(cls, packed: tuple[bytes, ...]) -> "History":
        history = cls()
        history._packed = packed
        return history

    def and_then(self, iteration: Iteration) -> "History":
        return self._of((*self._packed, _pack(iteration)))

    def __len__(self) -> int:
        return len(self._packed)

    @overload
    def __getitem__(self, place: int) -> Iteration: ...
    @overload
    def __getitem__(self, place: slice) -> "History": ...
    def __getitem__(self, place: int | slice) -> "Iteration | History":
        if isinstance(place, slice):
            return self._of(self._packed[place])
        return Iteration.model_validate_json(zlib.decompress(self._packed[place]))

    def __eq__(self, other: object) -> bool:
        return self._packed == other._packed if isinstance(other, History) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._packed)


def longer(history: Sequence[Iteration], iteration: Iteration) -> History:
    """``history`` with one iteration more."""
    return (history if isinstance(history, History) else History(history)).and_then(iteration)


def _pack(iteration: Iteration) -> bytes:
    return zlib.compress(iteration.model_dump_json().encode(), level=1)
