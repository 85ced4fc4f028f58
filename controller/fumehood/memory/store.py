"""The memory: insights in a database, stored and looked up when research asks for it, and never otherwise.

Texts and vectors are Memori's facts, in its own tables; what they mean lies in a table of ours beside them, and both
are written in one transaction. Any number of processes may use a database at once. Whatever goes wrong with it is a
MemoryTroubleError; UsageError stays for what a user asked wrongly.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
import tenacity
from sqlalchemy import Connection, Engine, bindparam, delete, insert, select, text, update
from sqlalchemy.exc import IntegrityError, OperationalError

from fumehood.errors import MemoryTroubleError, UsageError
from fumehood.memory import embedding, engines, facts, hygiene, ranking, schema
from fumehood.memory.address import Address, resolve
from fumehood.memory.index import Index, store_vectors
from fumehood.memory.likeness import similarity
from fumehood.memory.rows import clean, from_line, from_row, to_line, to_row
from fumehood.memory.schema import INSIGHTS
from fumehood.memory.trouble import as_trouble
from fumehood.records import Phase
from fumehood.records.insight import DataFingerprint, Insight, Kind, Recalled
from fumehood.text import plain

POOL: Final = 48
"""Insights that are looked at closely for one question."""
MOST: Final = 100
"""Insights that one question yields."""
_ATTEMPTS: Final = 20
_MANY: Final = 400
"""Values in one statement."""
_NAMESPACE: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_WORDS_AND_ROWS: Final = (
    "SELECT i.*, f.content FROM fumehood_insight i JOIN memori_entity e ON e.external_id = i.namespace"
    " JOIN memori_entity_fact f ON f.entity_id = e.id AND f.uniq = i.fact WHERE i.namespace = :namespace"
)


@dataclass(frozen=True)
class Query:
    """What research wants to know."""

    data: DataFingerprint | None
    phase: Phase
    text: str
    """The goal, and what else is at issue, in words."""
    kinds: frozenset[Kind] | None = None
    """None: all."""


@dataclass(frozen=True)
class Stats:
    address: str
    """Where it lies; no password."""
    namespace: str
    total: int
    kinds: dict[Kind, int]
    demoted: int
    runs: int
    embedder: str
    oldest: str | None
    newest: str | None


@dataclass(frozen=True)
class Imported:
    read: int
    new: int


class MemoryStore:
    """Use ``open``, as a context manager."""

    def __init__(self, address: Address, namespace: str, engine: Engine, embedder: embedding.Embedder) -> None:
        self._address, self.namespace, self._engine, self._embedder = address, namespace, engine, embedder
        self._facts = facts.Facts(engine)
        self._index = Index(namespace, embedder)
        self._entity: int | None = None
        self._watch: Connection | None = None
        """A connection of its own to SQLite, which tells whether any other has changed the file."""
        self._seen: int | None = None

    @classmethod
    def open(cls, url: str | None, namespace: str = "default") -> "MemoryStore":
        """The memory at ``url`` (see ``address.resolve``), its tables made or upgraded where that is needed.

        Raises UsageError for an address or a namespace that is none, MemoryTroubleError for a database that cannot be
        used.
        """
        if not _NAMESPACE.fullmatch(namespace):
            raise UsageError(
                f"the memory's namespace cannot be {plain(namespace, 60)!r}",
                "use lower-case letters, digits, and . _ - between them, at most 100",
            )
        address = resolve(url)
        with as_trouble(address, "be opened"):
            engine = engines.connect(address)
            try:
                store = cls(address, namespace, engine, embedding.chosen())
                schema.ensure(engine, store._facts, address)
            except BaseException:
                engine.dispose()
                raise
        return store

    @property
    def address(self) -> str:
        """Where it lies, for people: no password."""
        return self._address.shown

    def close(self) -> None:
        if self._watch is not None:
            self._watch.close()
        self._facts.close()
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- writing --

    def add(self, insights: Iterable[Insight]) -> int:
        """Store insights; how many were new. What is there under the same id stays as it is.

        Evidence of others about the same is united with theirs, and what they contradict is demoted (``hygiene``).
        """
        given = list({one.id: clean(one) for one in insights}.values())
        if not given:
            return 0
        with as_trouble(self._address, "be written"):
            return int(_again(lambda: self._add(given)))

    def _add(self, given: Sequence[Insight]) -> int:
        with self._facts.writing() as (session, driver):
            if self._entity is None:
                self._entity = self._facts.entity(driver, self.namespace)
            connection = session.connection()
            there = self._there(connection, [one.id for one in given])
            new = [one for one in given if one.id not in there]
            if not new:
                return 0
            known = self._about(connection, {about for one in new if (about := hygiene.subject(one))})
            added: list[Insight] = []
            for one in new:
                added.append(hygiene.united(one, [*known, *added]))
            demoted = self._demoted([*known, *added])
            final = [
                one.model_copy(update={"demoted_by": demoted[one.id]}) if one.id in demoted else one for one in added
            ]
            vectors = self._embedder.embed([one.text for one in final])
            contents = [facts.with_mention(one.text, one.id) for one in final]
            rows = [
                {
                    **to_row(one),
                    "namespace": self.namespace,
                    "embedder": self._embedder.identity,
                    "width": vectors.shape[1],
                    "fact": facts.uniq(content),
                }
                for one, content in zip(final, contents, strict=True)
            ]
            connection.execute(insert(INSIGHTS), rows)
            self._demote(connection, {old: new for old, new in demoted.items() if old not in {one.id for one in final}})
            self._facts.create(driver, self._entity, contents, vectors.tolist())
            return len(final)

    @staticmethod
    def _demoted(insights: Sequence[Insight]) -> dict[str, str]:
        groups: dict[str, list[Insight]] = {}
        for one in insights:
            if about := hygiene.subject(one):
                groups.setdefault(about, []).append(one)
        found: dict[str, str] = {}
        for group in groups.values():
            found |= hygiene.demotions(group)
        return found

    def _demote(self, connection: Connection, demoted: dict[str, str]) -> None:
        if demoted:
            statement = (
                update(INSIGHTS)
                .where(INSIGHTS.c.namespace == self.namespace, INSIGHTS.c.id == bindparam("old"))
                .values(demoted_by=bindparam("new"))
            )
            connection.execute(statement, [{"old": old, "new": new} for old, new in demoted.items()])

    def _there(self, connection: Connection, ids: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for begin in range(0, len(ids), _MANY):
            part = ids[begin : begin + _MANY]
            statement = select(INSIGHTS.c.id).where(INSIGHTS.c.namespace == self.namespace, INSIGHTS.c.id.in_(part))
            found |= set(connection.execute(statement).scalars())
        return found

    def _about(self, connection: Connection, subjects: Iterable[str]) -> list[Insight]:
        wanted, found = sorted(subjects), []
        for begin in range(0, len(wanted), _MANY):
            statement = text(f"{_WORDS_AND_ROWS} AND i.subject IN :subjects").bindparams(
                bindparam("subjects", expanding=True)
            )
            values = {"namespace": self.namespace, "subjects": wanted[begin : begin + _MANY]}
            found += _insights(connection, statement, values)
        return found

    def forget(
        self,
        ids: Sequence[str] | None = None,
        *,
        kind: Kind | None = None,
        run: str | None = None,
        everything: bool = False,
    ) -> int:
        """Delete for good what all that is given applies to, in every table; how many.

        Raises UsageError if nothing is given.
        """
        if ids is None and kind is None and run is None and not everything:
            raise UsageError("nothing was said about what to forget", "give ids, a kind, a run, or everything")
        with as_trouble(self._address, "be written"):
            return int(_again(lambda: self._forget(ids, kind, run)))

    def _forget(self, ids: Sequence[str] | None, kind: Kind | None, run: str | None) -> int:
        columns = INSIGHTS.c
        where = [columns.namespace == self.namespace]
        where += [columns.kind == kind.value] if kind is not None else []
        where += [columns.run_id == run] if run is not None else []
        with self._engine.begin() as connection:
            statement = select(columns.number, columns.fact, columns.id).where(*where)
            found = [row for row in connection.execute(statement) if ids is None or row.id in set(ids)]
            entity = connection.execute(
                text("SELECT id FROM memori_entity WHERE external_id = :namespace"), {"namespace": self.namespace}
            ).scalar()
            for begin in range(0, len(found), _MANY):
                part = found[begin : begin + _MANY]
                gone = text("DELETE FROM memori_entity_fact WHERE entity_id = :entity AND uniq IN :facts").bindparams(
                    bindparam("facts", expanding=True)
                )
                connection.execute(gone, {"entity": entity, "facts": [row.fact for row in part]})
                connection.execute(delete(INSIGHTS).where(columns.number.in_([row.number for row in part])))
        if found and self._address.is_sqlite:
            self._overwrite()
        return len(found)

    def _overwrite(self) -> None:
        """What was deleted is also gone from SQLite's log beside the file; in the file it was overwritten."""
        with self._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    # -- reading --

    def recall(self, query: Query, limit: int = 5) -> tuple[Recalled, ...]:
        """What helps with ``query``, the most helpful first, each with a reason; at most ``limit``."""
        weights = ranking.RESEARCH if query.data is not None else ranking.WITHOUT_DATA
        with as_trouble(self._address, "be read"):
            return self._recall(query.text, query.data, query.phase, query.kinds, weights, limit)

    def search(self, text: str, limit: int = 10, kinds: frozenset[Kind] | None = None) -> tuple[Recalled, ...]:
        """Insights whose texts fit ``text``, the closest first; at most ``limit``."""
        with as_trouble(self._address, "be read"):
            return self._recall(text, None, None, kinds, ranking.TEXT_ONLY, limit)

    def _recall(
        self,
        words: str,
        data: DataFingerprint | None,
        phase: Phase | None,
        kinds: frozenset[Kind] | None,
        weights: ranking.Weights,
        limit: int,
    ) -> tuple[Recalled, ...]:
        if not 1 <= limit <= MOST:
            raise UsageError(f"{limit} insights cannot be asked for", f"ask for 1 to {MOST}")
        self._refresh()
        index = self._index
        if not len(index):
            return ()
        words = plain(words, 2000)
        cosines = index.cosines(self._embedder.embed([words])[0])
        traits = self._traits(data, phase)
        allowed = np.isin(index.kind, [place for place, kind in enumerate(Kind) if kinds is None or kind in kinds])
        rows = ranking.pool(ranking.score(cosines, traits, weights), cosines, allowed, max(POOL, limit))
        if not len(rows):
            return ()
        text_scores = np.zeros(len(rows))
        for place, blend, _ in facts.rank(words, [index.words[row] for row in rows], list(cosines[rows])):
            text_scores[place] = blend
        if phase is None:
            rows, text_scores = rows[text_scores >= ranking.FITS], text_scores[text_scores >= ranking.FITS]
        near = traits.of(rows)
        scores = ranking.score(text_scores, near, weights)
        chosen = ranking.diverse(scores, index.vectors(rows), [index.rows[row]["subject"] for row in rows], limit)
        return tuple(
            self._recalled(int(rows[i]), float(scores[i]), float(text_scores[i]), traits, phase, data) for i in chosen
        )

    def _recalled(
        self,
        row: int,
        score: float,
        fits: float,
        traits: ranking.Traits,
        phase: Phase | None,
        data: DataFingerprint | None,
    ) -> Recalled:
        insight = self._index.insight(row)
        why = ranking.reason(fits, traits, row, insight.kind, phase, data_asked=data is not None)
        return Recalled(insight=insight, score=round(min(max(score, 0.0), 1.0), 4), reason=why)

    def _traits(self, data: DataFingerprint | None, phase: Phase | None) -> ranking.Traits:
        index = self._index
        alike = [0.0 if data is None or one is None else similarity(data, one) for one in index.fingerprints]
        fit = [0.0 if phase is None else ranking.FIT[phase][kind] for kind in Kind]
        days = datetime.now(UTC).timestamp() / 86_400 - index.born
        return ranking.Traits(
            data=np.asarray(alike, np.float64)[index.data],
            kind=np.asarray(fit, np.float64)[index.kind],
            phase=np.asarray(index.phase == (-1 if phase is None else list(Phase).index(phase)), np.float64),
            importance=index.importance,
            age=np.exp2(-np.clip(days, 0, None) / ranking.HALF_LIFE_DAYS),
            demoted=index.demoted,
        )

    def _refresh(self) -> None:
        version = self._data_version() if self._address.is_sqlite else None
        if version is not None and version == self._seen:
            return
        with self._engine.connect() as connection:
            again = self._index.refresh(connection)
        if again:
            with self._engine.begin() as connection:
                store_vectors(connection, again, self._embedder.identity)
        self._seen = version

    def _data_version(self) -> int:
        """SQLite's own mark, which changes with whatever any other connection writes."""
        self._watch = self._watch or self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        version = int(self._watch.exec_driver_sql("PRAGMA data_version").scalar_one())
        self._watch.rollback()
        return version

    def get(self, identifier: str) -> Insight:
        """The insight with this id, or with the only id that begins like this. UsageError where there is not one."""
        start = identifier.strip().lower()
        if not re.fullmatch(r"[0-9a-f]{1,32}", start):
            raise UsageError(f"{plain(identifier, 60)!r} is no id of an insight", "fumehood memory list shows them")
        with as_trouble(self._address, "be read"), self._engine.connect() as connection:
            statement = text(f"{_WORDS_AND_ROWS} AND i.id LIKE :start ORDER BY i.id LIMIT 3")
            found = _insights(connection, statement, {"namespace": self.namespace, "start": f"{start}%"})
        if len(found) != 1:
            raise UsageError(
                f"{'no insight has' if not found else 'several insights have'} an id that begins with {start}",
                "fumehood memory list shows them",
            )
        return found[0]

    def all(self, kind: Kind | None = None) -> tuple[Insight, ...]:
        """Every insight, the oldest first."""
        with as_trouble(self._address, "be read"), self._engine.connect() as connection:
            chosen = " AND i.kind = :kind" if kind is not None else ""
            values = {"namespace": self.namespace, **({"kind": kind.value} if kind is not None else {})}
            statement = text(f"{_WORDS_AND_ROWS}{chosen} ORDER BY i.number")
            return tuple(_insights(connection, statement, values))

    def stats(self) -> Stats:
        columns = INSIGHTS.c
        statement = select(columns.kind, columns.demoted_by, columns.run_id, columns.created_at).where(
            columns.namespace == self.namespace
        )
        with as_trouble(self._address, "be read"), self._engine.connect() as connection:
            rows = connection.execute(statement).all()
        times = sorted((row.created_at for row in rows), key=hygiene.moment)
        return Stats(
            address=self.address,
            namespace=self.namespace,
            total=len(rows),
            kinds={kind: sum(row.kind == kind.value for row in rows) for kind in Kind},
            demoted=sum(row.demoted_by is not None for row in rows),
            runs=len({row.run_id for row in rows if row.run_id}),
            embedder=self._embedder.identity,
            oldest=times[0] if times else None,
            newest=times[-1] if times else None,
        )

    # -- files --

    def export(self, path: Path) -> int:
        """Write every insight to a new file, a line of JSON each, with where it comes from; how many."""
        found = self.all()
        write_lines(path, found)
        return len(found)

    def import_(self, path: Path) -> Imported:
        """Take in what ``export`` wrote; what is there already is skipped.

        Raises UsageError, which names the line by its number, for a file with a line that cannot be read; nothing of
        such a file is taken in.
        """
        insights = read_lines(path)
        return Imported(read=len(insights), new=self.add(insights))


def write_lines(path: Path, insights: Iterable[Insight]) -> None:
    """Raises UsageError where the file is there already or cannot be written."""
    try:
        with path.open("x", encoding="ascii") as file:
            file.writelines(to_line(one) for one in insights)
    except OSError as error:
        raise UsageError(f"{plain(str(path), 200)} cannot be written: {error.strerror}", "name another file") from error


def read_lines(path: Path) -> list[Insight]:
    """Raises UsageError, with a line's number, for what is no file of insights."""
    shown, found = plain(str(path), 200), []
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    found.append(from_line(line))
                except ValueError as error:
                    raise UsageError(
                        f"line {number} of {shown} is no insight: {plain(str(error), 300)}",
                        "mend or remove it, then import again",
                    ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{shown} is no text file", "give a file that fumehood memory export wrote") from error
    except OSError as error:
        raise UsageError(f"{shown} cannot be read: {error.strerror}", "check the path") from error
    return found


def _insights(connection: Connection, statement: Any, values: dict[str, Any]) -> list[Insight]:
    rows = connection.execute(statement, values).mappings()
    return [from_row(dict(row), facts.without_mention(row["content"])) for row in rows]


def _again(work: Any) -> Any:
    """Do it again where another process was quicker: same id at the same time, deadlock, serialisation failure."""
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(_was_overtaken),
        stop=tenacity.stop_after_attempt(_ATTEMPTS),
        wait=tenacity.wait_random(0, 0.05),
        reraise=True,
    )(work)


def _was_overtaken(error: BaseException) -> bool:
    if isinstance(error, IntegrityError):
        return True
    original = getattr(error, "orig", None)
    codes = (getattr(original, "sqlstate", None), *(getattr(original, "args", ()) or ())[:1])
    return isinstance(error, OperationalError) and any(code in ("40001", "40P01", 1213, 1020) for code in codes)


__all__ = ["Imported", "MemoryStore", "MemoryTroubleError", "Query", "Stats", "read_lines", "write_lines"]
