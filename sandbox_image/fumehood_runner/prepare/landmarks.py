"""How far two simple models get: what tells data of one shape apart (landmarking; Pfahringer et al., 2000).

Ridge regression on the inputs, and on a Gaussian kernel of them, judged on training rows alone, each of which is left
out in turn. Both have a closed form for that (Craven and Wahba, 1979), so that no model is fitted more than once.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from fumehood_runner.prepare import features
from fumehood_runner.prepare.cells import Rows
from fumehood_runner.prepare.sources import Loaded
from fumehood_shared.messages import Encoding, Landmarks, Task, TokenEncoding

MOST_ROWS: Final = 400
MOST_VALUES: Final = 4096
"""Of an example; of larger ones evenly spaced values are taken."""
_RIDGES: Final = 10.0 ** np.arange(-4, 4)
"""In units of a kernel's mean diagonal."""
_LEAST_LEFT: Final = 1e-6
"""Of a row's own weight in what is predicted for it: less is a model that repeats the row."""

Floats = NDArray[np.float64]


def landmarks(data: Loaded, encoding: Encoding, train: Rows) -> Landmarks | None:
    """Of evenly spaced rows among ``train``; None for texts, and where there is nothing to tell apart."""
    rows = train[np.linspace(0, len(train) - 1, min(len(train), MOST_ROWS)).astype(np.intp)]
    targets = _targets(data.target.values[rows], data.target.task)
    if isinstance(encoding, TokenEncoding) or len(rows) < 3 or not np.any(targets):
        return None
    blocks = [block.reshape(len(block), -1) for block in features.blocks(encoding, data.features, rows)]
    inputs = np.concatenate(blocks).astype(np.float64)
    inputs = inputs[:, np.linspace(0, inputs.shape[1] - 1, min(inputs.shape[1], MOST_VALUES)).astype(np.intp)]
    inputs -= inputs.mean(axis=0)
    products = inputs @ inputs.T
    squares = np.diag(products)
    if not squares.any():
        return None
    apart = np.maximum(squares[:, None] + squares[None, :] - 2 * products, 0) / (2 * squares.mean())
    # One width as usual, one for what changes faster.
    smooth = max(explained(np.exp(-apart), targets), explained(np.exp(-8 * apart), targets))
    return Landmarks(linear=round(explained(products, targets), 3), smooth=round(smooth, 3))


def explained(kernel: Floats, targets: Floats) -> float:
    """The share of the variance of ``targets``, N x K with mean 0, that is predicted; 0 to 1, by the best ridge."""
    count = len(kernel)
    centred = kernel - kernel.mean(axis=0) - kernel.mean(axis=1)[:, None] + kernel.mean()
    values, vectors = np.linalg.eigh(centred)
    values = np.maximum(values, 0)
    turned, weights = vectors.T @ targets, vectors**2
    all_of_it = least = float(np.sum(targets**2))
    for ridge in _RIDGES * max(values.mean(), np.finfo(np.float64).tiny):
        shrunk = values / (values + ridge)
        own = 1 / count + weights @ shrunk
        left = (targets - vectors @ (shrunk[:, None] * turned)) / np.maximum(1 - own, _LEAST_LEFT)[:, None]
        least = min(least, float(np.sum(left**2)))
    return 1 - least / all_of_it


def _targets(values: NDArray[np.generic], task: Task) -> Floats:
    """N x 1, or a column a class of those that are there; each with mean 0."""
    if task is Task.CLASSIFICATION:
        columns = (values[:, None] == np.unique(values)[None, :]).astype(np.float64)
    else:
        columns = values.astype(np.float64)[:, None]
    return np.asarray(columns - columns.mean(axis=0), np.float64)
