"""A built-in data set, split and encoded by the room's own functions, in this process and without a room."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fumehood.data import seal, specs
from fumehood.preparation import TEST_FRACTION, VALIDATION_FRACTION, source_digest
from fumehood.records import Dataset
from fumehood_runner.prepare import prepare
from fumehood_shared import paths
from fumehood_shared.messages import PrepareReply, PrepareRequest


@dataclass(frozen=True)
class Prepared:
    dataset: Dataset
    folder: Path
    """Holds the arrays."""

    def targets(self, split: str) -> NDArray[Any]:
        spec = self.dataset.arrays[f"{split}_targets"]
        path = self.folder / paths.array_file(f"{split}_targets")
        return np.fromfile(path, "<f4" if spec.dtype == "float32" else "<i8").reshape(spec.shape)


def prepared(name: str, split_seed: int, scratch: Path) -> Prepared:
    """As a run with ``--data NAME --split-seed SPLIT_SEED`` has it."""
    spec = specs.parse(name, 2**30)
    out = scratch / paths.OUT
    out.mkdir(parents=True)
    reply = prepare(
        PrepareRequest(
            source=spec.source,
            split_seed=split_seed,
            validation_fraction=VALIDATION_FRACTION,
            test_fraction=TEST_FRACTION,
            deadline_s=600.0,
        ),
        scratch,
    )
    if not isinstance(reply, PrepareReply):
        raise RuntimeError(f"{name} cannot be used: {reply.message}")
    dataset = Dataset(
        spec=name,
        **{key: getattr(reply, key) for key in _SHARED},
        digests={array: seal.file_digest(out / paths.array_file(array)) for array in reply.arrays},
        source_digest=source_digest(spec, {}),
        split_seed=split_seed,
    )
    return Prepared(dataset, out)


_SHARED = ("task", "input_kind", "input_shape", "num_outputs", "vocab_size", "encoding", "target", "arrays", "facts")
