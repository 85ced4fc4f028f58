"""What becomes of insights about the same thing: evidence is united, and what is contradicted is demoted. Pure.

An insight has a subject if others can be about the same thing: a configuration on a data set (results and failures),
or a family on a kind of data (patterns). Only insights of one subject are compared. Demoted is what newer evidence
that is at least as strong contradicts, and what another insight holds all evidence of. Nothing is ever deleted here.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from fumehood.memory import wording
from fumehood.records.insight import Evidence, Insight, Kind

_UNITED = (Kind.PATTERN, Kind.FAILURE)
_NEEDED: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind.RESULT: ("configuration",),
    Kind.FAILURE: ("configuration", "family", "failure_kind"),
    Kind.PATTERN: ("data_kind", "metric", "family", "verdict"),
}
"""Details, all of them words, without which an insight of a kind has no subject. Other kinds have none."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def subject(insight: Insight) -> str | None:
    """SHA-256 of what the insight is about; None where nothing else can be about the same."""
    details = insight.details
    needed = _NEEDED.get(insight.kind)
    if needed is None or not all(isinstance(details.get(key), str) for key in needed):
        return None
    if insight.kind is Kind.PATTERN:
        return _digest("pattern", details["data_kind"], details["metric"], details["family"])
    if insight.data is None:
        return None
    return _digest("configuration", insight.data.source_digest, insight.data.rows, details["configuration"])


def united(new: Insight, known: Iterable[Insight]) -> Insight:
    """``new`` with the evidence of all that is ``known`` and says the same; other kinds stay as they are."""
    same = [one for one in known if one.demoted_by is None and one.id != new.id and _says_the_same(new, one)]
    if not same or new.demoted_by is not None:
        return new
    runs = sorted({run for one in (new, *same) for run in _runs(one)})
    details = {**new.details, **_loosest(new, same), "runs": runs}
    evidence = _every(same, new)
    text = wording.pattern(details, evidence) if new.kind is Kind.PATTERN else wording.failure(details)
    importance = min(0.95, max(one.importance for one in (new, *same)) + 0.05)
    changes = {"details": details, "evidence": evidence, "text": text, "importance": importance}
    return new.model_copy(update=changes)


def demotions(insights: Sequence[Insight]) -> dict[str, str]:
    """Id of an insight that is to be demoted -> id of the one that says otherwise, or more. All of one subject."""
    standing = [one for one in insights if one.demoted_by is None]
    found: dict[str, str] = {}
    for old in standing:
        for new in standing:
            if new is not old and new.id not in found and (_supersedes(new, old) or _contradicts(new, old)):
                found[old.id] = new.id
                break
    return found


def moment(text: str) -> datetime:
    """A time as insights carry it; what is no time counts as long ago."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return _EPOCH
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _supersedes(new: Insight, old: Insight) -> bool:
    return _says_the_same(new, old) and _runs(new) > _runs(old)


def _contradicts(new: Insight, old: Insight) -> bool:
    if moment(new.created_at) <= moment(old.created_at):
        return False
    if old.kind is Kind.FAILURE:
        return new.kind is Kind.RESULT
    if _strength(new) < _strength(old) or new.kind is not old.kind:
        return False
    if new.kind is Kind.PATTERN:
        return bool(new.details.get("verdict") != old.details.get("verdict"))
    return new.kind is Kind.RESULT and _apart(new.evidence, old.evidence)


def _says_the_same(one: Insight, other: Insight) -> bool:
    if one.kind is not other.kind or one.kind not in _UNITED or subject(one) is None:
        return False
    keys = ("verdict",) if one.kind is Kind.PATTERN else ("failure_kind", "cause")
    return subject(one) == subject(other) and all(one.details.get(key) == other.details.get(key) for key in keys)


def _apart(new: Sequence[Evidence], old: Sequence[Evidence]) -> bool:
    """Whether two measurements of the same are further apart than their intervals explain."""
    return any(
        a.metric == b.metric and a.interval and b.interval
        and (a.interval.low > b.interval.high or a.interval.high < b.interval.low)
        for a in new for b in old
    )  # fmt: skip


def _strength(insight: Insight) -> tuple[int, int]:
    return len(_runs(insight)), sum(one.n_seeds for one in insight.evidence)


def _runs(insight: Insight) -> frozenset[str]:
    noted = insight.details.get("runs")
    told = (str(run) for run in noted) if isinstance(noted, list | tuple) else ()
    own = (insight.run_id,) if insight.run_id else ()
    return frozenset((*told, *(one.run_id for one in insight.evidence), *own))


def _loosest(new: Insight, same: Iterable[Insight]) -> dict[str, Any]:
    """The limits under which a failure was seen: the loosest, since under tighter ones it comes the more."""
    noted = [one.details["limits"] for one in (new, *same) if isinstance(one.details.get("limits"), Mapping)]
    pairs = [(name, value) for limits in noted for name, value in limits.items() if isinstance(value, int | float)]
    return {"limits": {name: max(v for n, v in pairs if n == name) for name, _ in pairs}} if pairs else {}


def _every(same: Iterable[Insight], new: Insight) -> tuple[Evidence, ...]:
    """One piece of evidence per run and iteration, in an order of their own."""
    pieces = {(one.run_id, one.iteration or 0, one.metric): one for each in (*same, new) for one in each.evidence}
    return tuple(pieces[key] for key in sorted(pieces))


def _digest(*parts: Any) -> str:
    return sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
