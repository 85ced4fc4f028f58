"""R2, RMSE, MAE and Spearman's rank correlation; several targets count alike (uniform average)."""

import numpy as np

from fumehood.scoring.measured import Floats, Measured, jackknifed, mean_of


def measure(targets: Floats, predictions: Floats) -> dict[str, Measured]:
    """All metrics of this module for one seed, with both arrays N x T in float64.

    ``r2`` and ``spearman`` are left out where a target is constant or N is 1; a constant prediction has Spearman 0,
    for it orders nothing.
    """
    errors = targets - predictions
    out = {"rmse": _rmse(errors), "mae": mean_of(np.abs(errors).mean(axis=1))}
    if len(targets) > 1 and bool((np.ptp(targets, axis=0) > 0).all()):
        out |= {"r2": _r2(targets, errors), "spearman": _spearman(targets, predictions)}
    return out


def _rmse(errors: Floats) -> Measured:
    n, squares = len(errors), errors**2
    total = squares.sum(axis=0)
    rest = np.maximum(total - squares, 0.0)
    left_out = np.sqrt(rest / (n - 1)).mean(axis=1) if n > 1 else None
    return jackknifed(float(np.sqrt(total / n).mean()), left_out, float(n))


def _r2(targets: Floats, errors: Floats) -> Measured:
    """1 - SSE / SST, also without each example: its centred square leaves SST with weight n / (n - 1)."""
    n, squares = len(errors), errors**2
    centred = (targets - targets.mean(axis=0)) ** 2
    sse, sst = squares.sum(axis=0), centred.sum(axis=0)
    value = float((1 - sse / sst).mean())
    rest = sst - centred * (n / (n - 1))
    if n < 3 or bool((rest <= sst * 1e-12).any()):
        return Measured(value, None, float(n))
    left_out = (1 - np.maximum(sse - squares, 0.0) / rest).mean(axis=1)
    return jackknifed(value, left_out, float(n))


def _spearman(targets: Floats, predictions: Floats) -> Measured:
    n, columns = len(targets), range(targets.shape[1])
    parts = [_one_spearman(targets[:, t], predictions[:, t]) for t in columns]
    values = float(np.mean([p[0] for p in parts]))
    influence: Floats = np.mean([p[1] for p in parts], axis=0)
    return Measured(values, values + influence if n > 3 else None, float(n))


def _one_spearman(x: Floats, y: Floats) -> tuple[float, Floats]:
    """Spearman's rho and its empirical influence function, shape (N,), ties included.

    rho = C / sqrt(Vx Vy) with C and V the covariance and variances of mid-distribution values; each is a functional of
    the joint distribution, and the influence of the ratio follows from theirs (Croux and Dehon 2010).
    """
    if np.ptp(y) == 0 or np.ptp(x) == 0:
        return 0.0, np.zeros(len(x))
    f, g = _mid_distribution(x), _mid_distribution(y)
    c, vx, vy = float(np.mean(f * g)), float(np.mean(f * f)), float(np.mean(g * g))
    of_c = f * g + _upper_mean(x, g) + _upper_mean(y, f) - 3 * c
    of_vx = f * f + 2 * _upper_mean(x, f) - 3 * vx
    of_vy = g * g + 2 * _upper_mean(y, g) - 3 * vy
    rho = c / np.sqrt(vx * vy)
    return float(rho), of_c / np.sqrt(vx * vy) - rho / 2 * (of_vx / vx + of_vy / vy)


def _mid_distribution(x: Floats) -> Floats:
    """P(X < x) + P(X = x) / 2 - 1 / 2 at each example; its mean is 0."""
    from scipy.stats import rankdata  # half a second to load, and only regression needs it

    ranks: Floats = rankdata(x)
    return (ranks - 0.5) / len(x) - 0.5


def _upper_mean(x: Floats, values: Floats) -> Floats:
    """At each example: the mean over all of ``values`` where X is greater, plus half where it is equal."""
    distinct, of = np.unique(x, return_inverse=True)
    sums = np.bincount(of, weights=values, minlength=len(distinct))
    above = np.cumsum(sums[::-1])[::-1] - sums
    return (above + sums / 2)[of] / len(x)
