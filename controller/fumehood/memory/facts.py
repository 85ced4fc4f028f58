"""The one place that touches Memori: its safe calls, none of its others, and nothing of it on a terminal.

A fact is a text with its vector, of one entity; the entity is our namespace. What surrounds every call: an environment
without Memori's own settings, so that it neither looks for a service of its vendor's nor loads compiled parts, and a
standard output that goes nowhere. Its ``llm``, ``recall``, ``embed_texts``, ``augmentation``, ``agent`` and
``capture_agent_turn`` send texts to the vendor and are never called.
"""

import io
import logging
import os
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any, Final

from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session, sessionmaker

_OFFLINE: Final = {
    "MEMORI_DISABLE_RUST_CORE": "1",
    "MEMORI_ORT_AUTO_DOWNLOAD": "0",
    "MEMORI_API_URL_BASE": "http://127.0.0.1:9",
}
"""Nothing listens on the discard port, so even a call that we overlooked would reach nobody."""
_MENTION: Final = " [insight "
_ENVIRONMENT: Final = threading.RLock()


class Facts:
    """The facts of one database. Sessions are SQLAlchemy's, so that ours and Memori's writing is one transaction."""

    def __init__(self, engine: Engine) -> None:
        with _alone():
            from memori import Memori

            self._sessions = sessionmaker(engine)
            self._memori: Any = Memori(conn=self._sessions, use_rust_core=False)
            self._let_go()

    def build(self, connection: Connection | None) -> None:
        """Make or upgrade Memori's tables, in the transaction of ``connection`` if there is one, which stays open.

        Not safe for several processes at once: the caller holds a lock.
        """
        with _alone(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            if connection is None:
                try:
                    self._memori.config.storage.build()
                finally:
                    self._let_go()
                return
            from memori import Memori

            within = sessionmaker(connection, join_transaction_mode="create_savepoint")
            builder: Any = Memori(conn=within, use_rust_core=False)
            try:
                builder.config.storage.build()
            finally:
                builder.close()

    def close(self) -> None:
        with _alone():
            self._memori.close()

    def _let_go(self) -> None:
        """Memori keeps a session of its own, which would stay in its last transaction."""
        self._memori.config.storage.adapter.rollback()

    @contextmanager
    def writing(self) -> Iterator[tuple[Session, Any]]:
        """A session and Memori's driver on it; committed at the end, rolled back on an error."""
        with _alone(), self._memori.config.storage.conn as (session, _, driver):
            yield session, driver

    def entity(self, driver: Any, namespace: str) -> int:
        """Number of the namespace's entity, made where it is new. Commits."""
        return int(driver.entity.create(namespace))

    def create(self, driver: Any, entity: int, texts: Sequence[str], vectors: Sequence[Sequence[float]]) -> None:
        """Store facts. On some databases this commits the session, so it is the last thing in a transaction."""
        driver.entity_fact.create(entity, list(texts), fact_embeddings=[list(vector) for vector in vectors])


def rank(query: str, texts: Sequence[str], cosines: Sequence[float]) -> list[tuple[int, float, float]]:
    """Positions in ``texts`` by Memori's blend of cosine and BM25, best first, with blend and cosine.

    BM25 is over ``texts`` alone, so they are the pool that the caller chose.
    """
    with _alone():
        from memori.search import FactCandidate, search_facts

        candidates = [
            FactCandidate(id=i, content=text, score=float(cosine), date_created="")
            for i, (text, cosine) in enumerate(zip(texts, cosines, strict=True))
        ]
        found = search_facts(candidates=candidates, limit=len(candidates), query_text=query)
    return [(int(one.id), float(one.rank_score), float(one.similarity)) for one in found]


def with_mention(text: str, identifier: str) -> str:
    """A text as a fact. Memori takes texts for equal that have the same letters and digits, so each holds its id."""
    return f"{text}{_MENTION}{identifier}]"


def without_mention(content: str) -> str:
    return content.rpartition(_MENTION)[0]


def uniq(content: str) -> str:
    """What Memori calls a fact by, within an entity."""
    with _alone():
        from memori._utils import generate_uniq

        return str(generate_uniq([content]))


@contextmanager
def _alone() -> Iterator[None]:
    """Memori's settings out of the environment, its loggers and warnings silent. One thread at a time."""
    with _ENVIRONMENT:
        kept = {name: value for name, value in os.environ.items() if name.startswith("MEMORI_")}
        for name in kept:
            del os.environ[name]
        os.environ.update(_OFFLINE)
        logger = logging.getLogger("memori")
        logger.propagate, logger.disabled = False, False
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        finally:
            for name in _OFFLINE:
                os.environ.pop(name, None)
            os.environ.update(kept)
