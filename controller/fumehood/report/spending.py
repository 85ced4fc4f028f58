"""What asking a language model cost, phase by phase. Pure.

Tokens and prices are what the provider counted and what LiteLLM's price list says of them; a price that nobody knows is
unknown, and so is every sum that it is part of.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fumehood.records import Call, Phase, Run
from fumehood.report import words


@dataclass(frozen=True)
class SpendingRow:
    phase: str
    """Of the run; "all" for the sum."""
    calls: int
    failed: int
    """Of ``calls``: without a usable answer."""
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    """None where a price is unknown."""
    latency_s: float
    """Sum over the calls."""


def rows(run: Run) -> tuple[SpendingRow, ...]:
    """One a phase in which something was asked, then the sum; empty where nothing was."""
    if not run.calls:
        return ()
    phases = [(phase.value, [call for call in run.calls if call.phase is phase]) for phase in Phase]
    return tuple(_row(name, calls) for name, calls in (*phases, ("all", run.calls)) if calls)


def line(run: Run) -> str:
    """One sentence for a terminal; empty where nothing was asked."""
    found = rows(run)
    if not found:
        return ""
    total = found[-1]
    tokens = words.counted(total.prompt_tokens + total.completion_tokens, "token")
    return f"Asked {words.counted(total.calls, 'time')}: {tokens}, price {words.price(total.cost_usd)}."


def _row(phase: str, calls: Sequence[Call]) -> SpendingRow:
    prices = [call.cost_usd for call in calls]
    known = [price for price in prices if price is not None]
    return SpendingRow(
        phase=phase,
        calls=len(calls),
        failed=sum(bool(call.failure) for call in calls),
        prompt_tokens=sum(call.prompt_tokens for call in calls),
        completion_tokens=sum(call.completion_tokens for call in calls),
        cost_usd=sum(known) if len(known) == len(prices) else None,
        latency_s=sum(call.latency_s for call in calls),
    )
