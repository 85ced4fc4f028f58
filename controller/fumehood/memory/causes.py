"""Why a candidate failed, for insights: a normalised cause, told by its train room. Pure."""

from fumehood.failures import MOST_CHARS, normalised
from fumehood.records import Envelope, SeedResult

__all__ = ["MOST_CHARS", "normalised", "of"]


def of(envelope: Envelope) -> str:
    """Of a candidate whose seeds all failed: the first cause that its train room told; empty where it told none."""
    told = (normalised(seed.failure.message) for seed in envelope.seeds if seed.failure and _is_from_training(seed))
    return next((cause for cause in told if cause), "")


def _is_from_training(seed: SeedResult) -> bool:
    claims = seed.train_claims
    return seed.predict_claims is None and claims is not None and claims.failure == seed.failure
