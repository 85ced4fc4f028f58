"""A namespace's insights in this process: vectors and traits as arrays, brought up to date when the table changed.

Reading every vector at every question takes half a second at a few thousand insights; asking whether something changed
takes half a millisecond. Nothing here decides what is to the point.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, bindparam, func, select, text, update

from fumehood.memory.embedding import Embedder, Vectors
from fumehood.memory.facts import without_mention
from fumehood.memory.hygiene import moment
from fumehood.memory.rows import from_row
from fumehood.memory.schema import INSIGHTS
from fumehood.records import Phase
from fumehood.records.insight import DataFingerprint, Insight, Kind

_ROWS: Final = text(
    "SELECT i.number, i.id, i.kind, i.phase, i.importance, i.created_at, i.run_id, i.iteration, i.data, i.evidence,"
    " i.details, i.subject, i.demoted_by, i.embedder, i.width, f.id AS fact_id, f.content, f.content_embedding"
    " FROM fumehood_insight i JOIN memori_entity e ON e.external_id = i.namespace"
    " JOIN memori_entity_fact f ON f.entity_id = e.id AND f.uniq = i.fact"
    " WHERE i.namespace = :namespace AND i.number > :after ORDER BY i.number"
)
_VECTOR: Final = text("UPDATE memori_entity_fact SET content_embedding = :vector WHERE id = :fact_id")
_BATCH: Final = 256


@dataclass(frozen=True)
class State:
    """Differs wherever the table does. Two sums, because rows with small numbers can be committed late."""

    count: int
    last: int
    total: int
    demoted: int


class Index:
    """Columns of all insights of a namespace, in the order in which they were stored."""

    def __init__(self, namespace: str, embedder: Embedder) -> None:
        self._namespace, self._embedder = namespace, embedder
        self._forget()

    def _forget(self) -> None:
        self._state = State(0, 0, 0, 0)
        self.rows: list[Mapping[str, Any]] = []
        self.words: list[str] = []
        self.places: dict[str, int] = {}
        """Id -> position."""
        self._vectors = np.zeros((0, 0), np.float32)
        """A column per insight, and room for more."""
        self.fingerprints: list[DataFingerprint | None] = []
        """Different ones, by the numbers in ``data``."""
        self._numbers: dict[str | None, int] = {}
        self._lists: dict[str, list[Any]] = {
            name: [] for name in ("data", "importance", "born", "demoted", "kind", "phase")
        }

    def cosines(self, vector: Vectors) -> npt.NDArray[np.float64]:
        """Of all insights with a vector of unit length. One of hashed words is nearly all zeros, which cost nothing."""
        used = np.flatnonzero(vector)
        return np.asarray(vector[used] @ self._vectors[used, : len(self.rows)], np.float64)

    def vectors(self, places: npt.NDArray[np.intp]) -> Vectors:
        """A row per place."""
        return np.ascontiguousarray(self._vectors[:, places].T)

    def __len__(self) -> int:
        return len(self.rows)

    def refresh(self, connection: Connection) -> list[dict[str, Any]]:
        """Take in what changed; returns what ``store_vectors`` is to write, where vectors were of another embedder."""
        now = _state(connection, self._namespace)
        if now == self._state:
            return []
        again = self._read(connection, self._state.last) if now.demoted == self._state.demoted else []
        if self._own_state() != now:
            self._forget()
            again = self._read(connection, 0)
        self._state = self._own_state()
        self._arrays()
        return again

    def insight(self, place: int) -> Insight:
        """Raises ValueError for a row that is damaged."""
        return from_row(self.rows[place], self.words[place])

    def _read(self, connection: Connection, after: int) -> list[dict[str, Any]]:
        values = {"namespace": self._namespace, "after": after}
        found = [dict(row) for row in connection.execute(_ROWS, values).mappings()]
        vectors, again = self._vectors_of(found)
        self._grow(vectors)
        for row in found:
            self.places[row["id"]] = len(self.rows)
            self.rows.append({key: row[key] for key in row if key not in ("content", "content_embedding")})
            self.words.append(without_mention(row["content"]))
            self._note(row)
        return again

    def _note(self, row: Mapping[str, Any]) -> None:
        if row["data"] not in self._numbers:
            self._numbers[row["data"]] = len(self.fingerprints)
            written = row["data"]
            self.fingerprints.append(None if written is None else DataFingerprint.model_validate_json(written))
        values = {
            "data": self._numbers[row["data"]],
            "importance": row["importance"],
            "born": moment(row["created_at"]).timestamp() / 86_400,
            "demoted": row["demoted_by"] is not None,
            "kind": _KINDS[row["kind"]],
            "phase": _PHASES[row["phase"]],
        }
        for name, value in values.items():
            self._lists[name].append(value)

    def _arrays(self) -> None:
        self.data = np.asarray(self._lists["data"], np.intp)
        self.importance = np.asarray(self._lists["importance"], np.float64)
        self.born = np.asarray(self._lists["born"], np.float64)
        """Days since 1970."""
        self.demoted = np.asarray(self._lists["demoted"], np.bool_)
        self.kind = np.asarray(self._lists["kind"], np.intp)
        """Positions in the enumeration."""
        self.phase = np.asarray(self._lists["phase"], np.intp)

    def _vectors_of(self, found: Sequence[Mapping[str, Any]]) -> tuple[Vectors, list[dict[str, Any]]]:
        """Stored vectors, and new ones where they are of another embedder; those are listed to be written back."""
        ours = self._embedder.identity
        vectors = [
            np.frombuffer(bytes(row["content_embedding"]), "<f4") if row["embedder"] == ours else None for row in found
        ]
        foreign = [place for place, vector in enumerate(vectors) if vector is None]
        again = []
        for begin in range(0, len(foreign), _BATCH):
            places = foreign[begin : begin + _BATCH]
            new = self._embedder.embed([without_mention(found[place]["content"]) for place in places])
            for place, vector in zip(places, new, strict=True):
                vectors[place] = vector
                again.append({"number": found[place]["number"], "fact_id": found[place]["fact_id"], "vector": vector})
        whole = [vector for vector in vectors if vector is not None]
        return (np.stack(whole) if whole else np.zeros((0, 0), np.float32)), again

    def _grow(self, vectors: Vectors) -> None:
        if not len(vectors):
            return
        used, needed, width = len(self.rows), len(self.rows) + len(vectors), vectors.shape[1]
        if needed > self._vectors.shape[1]:
            larger = np.zeros((width, max(2 * self._vectors.shape[1], needed, 64)), np.float32)
            if used:
                larger[:, :used] = self._vectors[:, :used]
            self._vectors = larger
        self._vectors[:, used:needed] = vectors.T

    def _own_state(self) -> State:
        numbers = [int(row["number"]) for row in self.rows]
        return State(len(numbers), max(numbers, default=0), sum(numbers), sum(self._lists["demoted"]))


def store_vectors(connection: Connection, again: Sequence[Mapping[str, Any]], identity: str) -> None:
    """Write vectors of another embedder in the place of the old ones, in Memori's table and ours."""
    connection.execute(
        _VECTOR, [{"vector": np.asarray(one["vector"], "<f4").tobytes(), "fact_id": one["fact_id"]} for one in again]
    )
    statement = update(INSIGHTS).where(INSIGHTS.c.number == bindparam("place"))
    values = {"embedder": identity, "width": bindparam("wide")}
    connection.execute(
        statement.values(values), [{"place": one["number"], "wide": len(one["vector"])} for one in again]
    )


def _state(connection: Connection, namespace: str) -> State:
    columns = INSIGHTS.c
    statement = select(
        func.count(), func.max(columns.number), func.sum(columns.number), func.count(columns.demoted_by)
    ).where(columns.namespace == namespace)
    count, last, total, demoted = connection.execute(statement).one()
    return State(int(count), int(last or 0), int(total or 0), int(demoted))


_KINDS: Final = {kind.value: place for place, kind in enumerate(Kind)}
_PHASES: Final = {phase.value: place for place, phase in enumerate(Phase)}
