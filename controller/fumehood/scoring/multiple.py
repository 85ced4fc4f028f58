"""How sure a claim is among many: Holm's correction for as many comparisons as were planned. Pure, plain Python.

Holm (A simple sequentially rejective multiple test procedure, 1979) keeps the probability of a single false claim
among all comparisons below ``1 - level``, whatever depends on whatever. A search that stops early, or claims on its
way, still counts the comparisons it planned: those not made have p-value 1. What is claimed on the way stays claimed at
the end.
"""

from collections.abc import Sequence

from fumehood.errors import InternalError


def adjusted(p_values: Sequence[float], planned: int) -> tuple[float, ...]:
    """Holm's adjusted p-values in the order of ``p_values``, over ``planned`` comparisons, these among them."""
    if len(p_values) > planned:
        raise InternalError(f"{len(p_values)} comparisons were made and {planned} planned.")
    found, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (planned - rank) * p_values[index]))
        found[index] = largest
    return tuple(found)


def holm(p_values: Sequence[float], level: float, planned: int) -> tuple[bool, ...]:
    """Which comparisons may be claimed at the confidence ``level`` (0.95: any false claim in 5% of searches)."""
    return tuple(p <= 1 - level for p in adjusted(p_values, planned))
