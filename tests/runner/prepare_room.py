"""A prepare room's exchange folder in a temporary directory, driven through the two public entry functions."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fumehood_runner.prepare import encode, prepare
from fumehood_shared import paths
from fumehood_shared.messages import (
    BuiltinSource,
    CsvSource,
    EncodeReply,
    EncodeRequest,
    Encoding,
    PrepareReply,
    PrepareRequest,
    Refusal,
    Source,
    Task,
)

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Prepared:
    reply: PrepareReply
    out: Path

    def array(self, name: str) -> np.ndarray:
        return read(self.out, name, self.reply)

    def column(self, split: str, index: int) -> np.ndarray:
        return self.array(f"{split}_inputs")[:, index]


@dataclass(frozen=True)
class Room:
    root: Path

    def put(self, content: str | bytes, name: str = "data.csv") -> "Room":
        raw = self.root / paths.IN / paths.RAW
        raw.mkdir(parents=True, exist_ok=True)
        (self.root / paths.OUT).mkdir(exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        (raw / name).write_bytes(data)
        return self

    def put_files(self, files: dict[str, bytes]) -> "Room":
        raw = self.root / paths.IN / paths.RAW
        raw.mkdir(parents=True, exist_ok=True)
        (self.root / paths.OUT).mkdir(exist_ok=True)
        for name, content in files.items():
            (raw / name).write_bytes(content)
        return self

    def reply_to(self, source: Source, **settings) -> PrepareReply | Refusal:
        return prepare(_request(source, **settings), self.root)

    def accept(self, source: Source, **settings) -> Prepared:
        return self._accepted(self.reply_to(source, **settings))

    def encode_as(self, source: Source, encoding: Encoding) -> EncodeReply | Refusal:
        return encode(EncodeRequest(source=source, encoding=encoding, deadline_s=60.0), self.root)

    def encoded_as(self, source: Source, encoding: Encoding) -> np.ndarray:
        reply = self.encode_as(source, encoding)
        assert isinstance(reply, EncodeReply), reply
        return read(self.root / paths.OUT, "inputs", reply)

    def ask(self, target: str = "y", task: Task | None = None, **settings) -> PrepareReply | Refusal:
        return prepare(_request(CsvSource(target=target, task=task), **settings), self.root)

    def prepare(self, target: str = "y", task: Task | None = None, **settings) -> Prepared:
        return self._accepted(self.ask(target, task, **settings))

    def refused(self, target: str = "y", task: Task | None = None, **settings) -> Refusal:
        reply = self.ask(target, task, **settings)
        assert isinstance(reply, Refusal), reply
        return reply

    def load(self, source: Source, **settings) -> Prepared:
        """Prepare what any source names."""
        return self._accepted(prepare(_request(source, **settings), self.root))

    def refusal(self, source: Source, **settings) -> Refusal:
        reply = prepare(_request(source, **settings), self.root)
        assert isinstance(reply, Refusal), reply
        return reply

    def new_rows(self, source: Source, encoding: Encoding) -> np.ndarray:
        reply = encode(EncodeRequest(source=source, encoding=encoding, deadline_s=60.0), self.root)
        assert isinstance(reply, EncodeReply), reply
        return read(self.root / paths.OUT, "inputs", reply)

    def new_rows_refusal(self, source: Source, encoding: Encoding) -> Refusal:
        reply = encode(EncodeRequest(source=source, encoding=encoding, deadline_s=60.0), self.root)
        assert isinstance(reply, Refusal), reply
        return reply

    def builtin(self, name: str, **settings) -> Prepared:
        (self.root / paths.OUT).mkdir(parents=True, exist_ok=True)
        return self._accepted(prepare(_request(BuiltinSource(name=name), **settings), self.root))

    def encode(self, encoding: Encoding, target: str = "", builtin: str = "") -> EncodeReply | Refusal:
        source = BuiltinSource(name=builtin) if builtin else CsvSource(target=target)
        return encode(EncodeRequest(source=source, encoding=encoding, deadline_s=60.0), self.root)

    def encoded(self, encoding: Encoding, target: str = "", builtin: str = "") -> np.ndarray:
        reply = self.encode(encoding, target, builtin)
        assert isinstance(reply, EncodeReply), reply
        return read(self.root / paths.OUT, "inputs", reply)

    def _accepted(self, reply: PrepareReply | Refusal) -> Prepared:
        assert isinstance(reply, PrepareReply), reply
        return Prepared(PrepareReply.model_validate_json(reply.model_dump_json()), self.root / paths.OUT)


def read(out: Path, name: str, reply: PrepareReply | EncodeReply) -> np.ndarray:
    spec = reply.arrays[name]
    path = out / paths.array_file(name)
    assert path.stat().st_size == spec.nbytes
    return np.fromfile(path, dtype="<f4" if spec.dtype == "float32" else "<i8").reshape(spec.shape)


def table(header: str, rows: list[str]) -> str:
    return "\n".join([header, *rows]) + "\n"


def _request(
    source, split_seed=0, validation_fraction=0.2, test_fraction=0.2, subset=None, folds=None
) -> PrepareRequest:
    return PrepareRequest(
        source=source,
        split_seed=split_seed,
        validation_fraction=validation_fraction,
        test_fraction=test_fraction,
        subset=subset,
        folds=folds,
        deadline_s=60.0,
    )
