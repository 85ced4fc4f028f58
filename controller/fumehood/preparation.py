"""From a data specification to a sealed data set: loaded, split and encoded in a room, and put away on the host."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fumehood import rooms
from fumehood.data import folds, seal, shelf, specs
from fumehood.data.shelf import Kept, Shelf
from fumehood.errors import InternalError
from fumehood.records import Dataset, RoomFacts
from fumehood.run_directory import sync
from fumehood.sandbox.exchange import Outgoing
from fumehood.sandbox.host import Host
from fumehood_shared.messages import PrepareReply, PrepareRequest

VALIDATION_FRACTION = 0.2
TEST_FRACTION = 0.2


@dataclass(frozen=True)
class Preparation:
    """A data set in a sealed folder, and the room that it came from."""

    dataset: Dataset
    room: RoomFacts
    kept_since: str = ""
    """When that room worked, where its arrays were kept and this run took them over; empty for a room of this run."""


def prepare(
    host: Host,
    sealed: Path,
    data: str,
    split_seed: int,
    subset: int | None = None,
    splits: str = folds.HOLDOUT,
    *,
    key: bytes | None = None,
    kept: Shelf | None = None,
) -> Preparation:
    """Fill the empty folder ``sealed`` with the arrays of a data set and the key for the orders of their rows.

    ``key``: of an earlier run that this one is to repeat; None is a new one. ``subset``: so many rows of the set, each
    class in its proportion; None is all of them. ``splits``: see ``data.folds``. ``kept``: where the arrays are taken
    from if the same files were prepared before, as the same request, in a room of the same image and policy; they are
    put there otherwise. None: a room prepares them in any case.
    Raises DataError for data that cannot be used, with the reason.
    """
    seal.create_sealed_dir(sealed)
    seal.write_sealed(sealed / seal.KEY, [key or secrets.token_bytes(seal.KEY_BYTES)])
    spec = specs.parse(data, int(host.policy.raw_data))
    request = request_for(spec, split_seed, subset, host.policy.prepare.wall_s, folds.count(splits))
    found = kept and kept.take(_name(host, spec, request, spec.file_digests()), sealed)
    if found:
        sync(sealed)
        dataset = _dataset(data, split_seed, subset, spec, found.reply, found.digests, found.raw_digests)
        return Preparation(dataset, found.room, kept_since=found.at)
    with host.room("prepare") as room:
        prepared = rooms.prepare(room, request, [Outgoing(name, path) for name, path in spec.files], sealed)
    sync(sealed)
    reply, digests, raw = prepared.reply, dict(prepared.digests), dict(prepared.raw_digests)
    if not isinstance(reply, PrepareReply):
        raise InternalError("the prepare room answered another question")
    if kept:
        record = Kept(reply=reply, digests=digests, raw_digests=raw, room=prepared.facts, at=shelf.now())
        kept.keep(_name(host, spec, request, raw), record, sealed)
    return Preparation(_dataset(data, split_seed, subset, spec, reply, digests, raw), prepared.facts)


def told_of_kept(since: str) -> str:
    """What users are told of data that this machine had prepared already."""
    return f"The same data were prepared at {since}; what came out is taken over, compared with its digests."


def request_for(
    spec: specs.DataSpec, split_seed: int, subset: int | None, deadline_s: float, number: int | None = None
) -> PrepareRequest:
    """The request that loads ``spec`` and splits it as every run does; ``number`` of folds, None is none."""
    return PrepareRequest(
        source=spec.source,
        split_seed=split_seed,
        validation_fraction=VALIDATION_FRACTION,
        test_fraction=TEST_FRACTION,
        subset=subset,
        folds=number,
        deadline_s=deadline_s,
    )


def source_digest(spec: specs.DataSpec, digests: Mapping[str, str]) -> str:
    """SHA-256 over what a data set is loaded from: how it is named, and the ``digests`` of its files."""
    raw = [f"{name}={digests[name]}" for name, _ in spec.files]
    return hashlib.sha256("\n".join([spec.source.model_dump_json(), *raw]).encode()).hexdigest()


def _name(host: Host, spec: specs.DataSpec, request: PrepareRequest, raw_digests: Mapping[str, str]) -> str:
    """Where what ``request`` makes of the files is kept: by all that it depends on."""
    return shelf.name_of(
        {
            "source": source_digest(spec, raw_digests),
            "request": request.model_dump_json(),
            "image": host.images.prepare.image_id,
            "policy": host.policy.model_dump_json(),
        }
    )


def _dataset(
    data: str,
    split_seed: int,
    subset: int | None,
    spec: specs.DataSpec,
    reply: PrepareReply,
    digests: Mapping[str, str],
    raw_digests: Mapping[str, str],
) -> Dataset:
    return Dataset(
        spec=data,
        task=reply.task,
        input_kind=reply.input_kind,
        input_shape=reply.input_shape,
        num_outputs=reply.num_outputs,
        vocab_size=reply.vocab_size,
        encoding=reply.encoding,
        target=reply.target,
        arrays=reply.arrays,
        digests=dict(digests),
        source_digest=source_digest(spec, raw_digests),
        split_seed=split_seed,
        subset=subset,
        folds=reply.folds,
        facts=reply.facts,
    )
