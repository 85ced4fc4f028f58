"""For every target a strategy that makes inputs for it."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from fuzz import archives, corpus, documents
from fuzz.targets import COLUMNS, ROWS


def _messages(seeds: Sequence[Any]) -> st.SearchStrategy[bytes]:
    whole = [json.dumps(seed).encode() for seed in seeds]
    mutated = documents.mutated(seeds)
    return st.one_of(mutated, mutated, mutated, documents.damaged(whole), st.binary(max_size=200))


@st.composite
def _weights(draw: st.DrawFn) -> bytes:
    header = draw(documents.mutated(corpus.WEIGHTS_HEADERS))
    length = draw(
        st.sampled_from([len(header)] * 20 + [0, 1, len(header) - 1, len(header) + 1, 2**20 + 1, 2**63, 2**64 - 1])
    )
    return corpus.weights(header, draw(st.sampled_from([bytes(32)] * 6 + [b"", bytes(31), bytes(33)])), length % 2**64)


@st.composite
def _predictions(draw: st.DrawFn) -> bytes:
    odd = [0.0, -0.0, 1e38, -1e38, 1e-45, np.nan, np.inf, -np.inf]
    values = draw(st.lists(st.sampled_from([1.0] * 30 + odd) | st.floats(width=32), min_size=1, max_size=8))
    raw = np.resize(np.array(values, "<f4"), ROWS * COLUMNS).tobytes()
    return raw + draw(st.sampled_from([b""] * 6 + [b"\0", raw]))


STRATEGIES: dict[str, st.SearchStrategy[bytes]] = {
    "archive": st.one_of(archives.archives(), archives.archives(), archives.damaged()),
    "job reply": _messages(corpus.JOB_REPLIES),
    "prepare reply": _messages(corpus.PREPARE_REPLIES),
    "attestation": _messages(corpus.ATTESTATIONS),
    "weights": st.one_of(_weights(), _weights(), documents.damaged(corpus.WEIGHTS)),
    "predictions": st.one_of(_predictions(), documents.damaged(corpus.PREDICTIONS)),
}
