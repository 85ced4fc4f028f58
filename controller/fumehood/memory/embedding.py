"""Texts as vectors of unit length: by hashing, which needs nothing, or by an embedding server that the user names.

An embedder's ``identity`` is stored beside every vector: vectors of different embedders are never compared.
"""

import os
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

from fumehood.errors import MemoryTroubleError, UsageError
from fumehood.text import plain

Vectors = npt.NDArray[np.float32]

SERVER: Final = "FUMEHOOD_EMBEDDER_URL"
MODEL: Final = "FUMEHOOD_EMBEDDER_MODEL"
WIDTH: Final = 512
_WAIT_S: Final = 10.0
_BATCH: Final = 64
_MOST_BYTES: Final = 32 * 1024 * 1024
"""Of a server's answer: 64 vectors of 4096 numbers with twenty digits take 5 MB."""


class Embedder(Protocol):
    @property
    def identity(self) -> str:
        """Changes whenever the vectors of the same text would."""
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """float32, one row of unit length per text; zeros for a text without a word."""
        ...


def chosen() -> Embedder:
    """The server that the environment names, else hashing."""
    url = os.environ.get(SERVER, "").strip()
    return ServerEmbedder(url, os.environ.get(MODEL, "").strip() or "default") if url else HashingEmbedder()


class HashingEmbedder:
    """Words and pairs of neighbours, hashed by scikit-learn's HashingVectorizer: offline, and always the same."""

    identity = f"hashing-{WIDTH}-words-and-pairs-1"

    @cached_property
    def _vectorizer(self) -> Any:
        from sklearn.feature_extraction.text import HashingVectorizer

        words = {"token_pattern": r"[A-Za-z0-9_.]+", "ngram_range": (1, 2)}
        return HashingVectorizer(n_features=WIDTH, norm="l2", **words)

    def embed(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.zeros((0, WIDTH), np.float32)
        return np.asarray(self._vectorizer.transform(texts).toarray(), np.float32)


class ServerEmbedder:
    """A server with OpenAI's ``/v1/embeddings``, at the address that the user gave and no other: no redirect, no proxy.

    Raises UsageError for an address that is none, MemoryTroubleError where the server does not answer as it should.
    """

    def __init__(self, url: str, model: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(
                f"{SERVER} is {plain(_without_user(url), 200)!r}, which is no address of a server",
                "for example http://127.0.0.1:8080/v1/embeddings",
            )
        self._url = url if parts.path.strip("/") else f"{url.rstrip('/')}/v1/embeddings"
        self._model = model
        self._shown = plain(_without_user(self._url), 150)

    @property
    def identity(self) -> str:
        return f"server {self._shown} {plain(self._model, 40)}"[:200]

    def embed(self, texts: Sequence[str]) -> Vectors:
        batches = [self._ask(texts[i : i + _BATCH]) for i in range(0, len(texts), _BATCH)]
        return np.concatenate(batches) if batches else np.zeros((0, 1), np.float32)

    def _ask(self, texts: Sequence[str]) -> Vectors:
        import urllib3

        try:
            with urllib3.PoolManager(retries=False, timeout=_WAIT_S) as pool:
                answer = pool.request(
                    "POST", self._url, json={"model": self._model, "input": list(texts)}, preload_content=False,
                    redirect=False,
                )  # fmt: skip
                body = answer.read(_MOST_BYTES + 1)
                if answer.status != 200 or len(body) > _MOST_BYTES:
                    raise self._trouble(f"it answers with status {answer.status} and {len(body)} bytes")
                return _unit(_rows(body, len(texts)))
        except (urllib3.exceptions.HTTPError, ValueError, KeyError, TypeError) as error:
            raise self._trouble(f"{type(error).__name__}") from error

    def _trouble(self, why: str) -> MemoryTroubleError:
        return MemoryTroubleError(
            f"the embedding server {self._shown} gives no vectors: {why}",
            f"start it, or unset {SERVER} to go without one",
        )


def _rows(body: bytes, count: int) -> Vectors:
    """ValueError, KeyError or TypeError for what is not one vector of finite numbers per text."""
    import json

    data = sorted(json.loads(body)["data"], key=lambda item: int(item["index"]))
    rows = np.asarray([item["embedding"] for item in data], np.float32)
    if rows.ndim != 2 or len(rows) != count or not rows.shape[1] or not np.isfinite(rows).all():
        raise ValueError("not one vector per text")
    return rows


def _unit(rows: Vectors) -> Vectors:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(norms > 0, norms, 1), np.float32)


def _without_user(url: str) -> str:
    scheme, mark, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path.partition('?')[0]}"
