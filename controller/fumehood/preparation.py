"""From a data specification to a sealed data set: loaded, split and encoded in a room, and put away on the host."""

import hashlib
import secrets
from collections.abc import Mapping
from pathlib import Path

from fumehood import rooms
from fumehood.data import folds, seal, specs
from fumehood.errors import InternalError
from fumehood.records import Dataset, RoomFacts
from fumehood.rooms import Prepared
from fumehood.run_directory import sync
from fumehood.sandbox.exchange import Outgoing
from fumehood.sandbox.host import Host
from fumehood_shared.messages import PrepareReply, PrepareRequest

VALIDATION_FRACTION = 0.2
TEST_FRACTION = 0.2


def prepare(
    host: Host,
    sealed: Path,
    data: str,
    split_seed: int,
    subset: int | None = None,
    splits: str = folds.HOLDOUT,
    key: bytes | None = None,
) -> tuple[Dataset, RoomFacts]:
    """Fill the empty folder ``sealed`` with the arrays of a data set and the key for the orders of their rows.

    ``key``: of an earlier run that this one is to repeat; None is a new one. ``subset``: so many rows of the set, each
    class in its proportion; None is all of them. ``splits``: see ``data.folds``.
    Raises DataError for data that cannot be used, with the reason.
    """
    seal.create_sealed_dir(sealed)
    seal.write_sealed(sealed / seal.KEY, [key or secrets.token_bytes(seal.KEY_BYTES)])
    spec = specs.parse(data, int(host.policy.raw_data))
    request = request_for(spec, split_seed, subset, host.policy.prepare.wall_s, folds.count(splits))
    with host.room("prepare") as room:
        prepared = rooms.prepare(room, request, [Outgoing(name, path) for name, path in spec.files], sealed)
    sync(sealed)
    return _dataset(data, split_seed, subset, spec, prepared), prepared.facts


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


def _dataset(data: str, split_seed: int, subset: int | None, spec: specs.DataSpec, prepared: Prepared) -> Dataset:
    reply = prepared.reply
    if not isinstance(reply, PrepareReply):
        raise InternalError("the prepare room answered another question")
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
        digests=dict(prepared.digests),
        source_digest=source_digest(spec, prepared.raw_digests),
        split_seed=split_seed,
        subset=subset,
        folds=reply.folds,
        facts=reply.facts,
    )
