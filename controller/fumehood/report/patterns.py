"""What a run took from the memory, and which of its candidates followed it. Pure."""

from dataclasses import dataclass

from fumehood.records import Run


@dataclass(frozen=True)
class PatternRow:
    number: int
    """Of the iteration before which it was looked up."""
    why: str
    text: str
    """The insight: foreign text, possibly."""
    reason: str
    """Why this one was chosen."""
    followed: tuple[int, ...]
    """Iterations whose plans name it as their origin."""


def patterns(run: Run) -> tuple[PatternRow, ...]:
    followers: dict[str, list[int]] = {}
    for iteration in run.iterations:
        origin = iteration.plan.params.get("recalled")
        if isinstance(origin, str):
            followers.setdefault(origin, []).append(iteration.number)
    return tuple(
        PatternRow(look.number, look.why, one.insight.text, one.reason, tuple(followers.get(one.insight.id, ())))
        for look in run.recollections
        for one in look.recalled
    )
