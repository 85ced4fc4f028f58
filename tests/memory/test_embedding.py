"""Vectors: offline by default, from a server where one is named, and never compared across embedders."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import numpy as np
import pytest

from fakes.insights import insight
from fumehood.errors import MemoryTroubleError, UsageError
from fumehood.memory.embedding import HashingEmbedder, ServerEmbedder, chosen
from fumehood.memory.store import MemoryStore

pytestmark = pytest.mark.memory


def test_hashing_gives_unit_vectors_that_are_always_the_same():
    texts = ["residual networks", "residual networks do well", "", "quantum gardening"]
    vectors = HashingEmbedder().embed(texts)
    assert vectors.shape == (4, 512)
    assert np.allclose(np.linalg.norm(vectors, axis=1), [1, 1, 0, 1])
    assert np.array_equal(vectors, HashingEmbedder().embed(texts))
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[3]
    assert HashingEmbedder().embed([]).shape == (0, 512)


class Answers(BaseHTTPRequestHandler):
    """An embedding server of three numbers: letters a, b, c of a text."""

    asked: ClassVar[list[dict]] = []
    answer = None

    def do_POST(self):
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append({"path": self.path, **question})
        rows = [[text.count(letter) + 0.1 for letter in "abc"] for text in question["input"]]
        body = {"data": [{"index": i, "embedding": row} for i, row in enumerate(rows)][::-1]}
        status, content = self.answer or (200, json.dumps(body).encode())
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "http://192.0.2.1/")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    Answers.asked, Answers.answer = [], None
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{found.server_port}"
        monkeypatch.setenv("FUMEHOOD_EMBEDDER_URL", url)
        monkeypatch.setenv("http_proxy", "http://192.0.2.1:1")
        yield url
        found.shutdown()


def test_a_server_is_asked_as_openai_is_and_its_answers_are_put_in_order(server):
    vectors = ServerEmbedder(server, "m").embed(["aaa", "b"])
    assert vectors.shape == (2, 3)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    assert vectors[0].argmax() == 0
    assert vectors[1].argmax() == 1
    assert Answers.asked == [{"path": "/v1/embeddings", "model": "m", "input": ["aaa", "b"]}]


def test_another_embedder_embeds_everything_again_and_keeps_it(file, monkeypatch, server):
    monkeypatch.delenv("FUMEHOOD_EMBEDDER_URL")
    with MemoryStore.open(str(file)) as store:
        store.add([insight("aaaa here"), insight("bbbb there")])
        hashed = store.stats().embedder
    monkeypatch.setenv("FUMEHOOD_EMBEDDER_URL", server)
    with MemoryStore.open(str(file)) as store:
        assert store.search("aaa")[0].insight.text == "aaaa here"
        assert store.stats().embedder != hashed
    with MemoryStore.open(str(file)) as store:
        Answers.asked = []
        assert store.search("bbb")[0].insight.text == "bbbb there"
        assert len(Answers.asked) == 1
    monkeypatch.delenv("FUMEHOOD_EMBEDDER_URL")
    with MemoryStore.open(str(file)) as store:
        assert store.search("bbbb there")[0].insight.text == "bbbb there"


@pytest.mark.parametrize(
    "answer",
    [
        (500, b"{}"),
        (302, b""),
        (200, b"nonsense"),
        (200, b'{"data": []}'),
        (200, b'{"data": [{"index": 0, "embedding": []}]}'),
        (200, b'{"data": [{"index": 0, "embedding": [NaN]}]}'),
        (200, b'{"data": [{"index": 0, "embedding": "x"}]}'),
        (200, b"[]"),
    ],
    ids=range(8),
)
def test_a_server_that_answers_otherwise_is_trouble(server, file, answer):
    Answers.answer = answer
    with MemoryStore.open(str(file)) as store, pytest.raises(MemoryTroubleError, match="gives no vectors"):
        store.add([insight()])
    assert len(Answers.asked) == 1


def test_a_server_that_is_not_there_is_trouble(monkeypatch, file):
    monkeypatch.setenv("FUMEHOOD_EMBEDDER_URL", "http://user:s3cr3t@127.0.0.1:1/v1/embeddings")
    with MemoryStore.open(str(file)) as store, pytest.raises(MemoryTroubleError) as caught:
        store.add([insight()])
    assert "s3cr3t" not in caught.value.what


@pytest.mark.parametrize("url", ["file:///etc/passwd", "localhost:8080", "http://", "ftp://h/x"])
def test_an_address_that_is_none_is_the_users_mistake(monkeypatch, url):
    monkeypatch.setenv("FUMEHOOD_EMBEDDER_URL", url)
    with pytest.raises(UsageError, match="FUMEHOOD_EMBEDDER_URL"):
        chosen()
