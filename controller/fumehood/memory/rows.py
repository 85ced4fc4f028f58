"""Insights as rows of our table and as lines of JSON, and back. Pure; what cannot be read raises ValueError."""

import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from fumehood.errors import UsageError
from fumehood.memory.hygiene import moment, subject
from fumehood.records.insight import Insight
from fumehood.text import block, json_document, plain

MOST_LINE_CHARS: Final = 1_000_000
"""Of one insight in JSON."""


def clean(insight: Insight) -> Insight:
    """The insight as every database can hold it: no control character in its texts, and details that JSON has.

    Raises UsageError for details that JSON does not have.
    """
    run = None if insight.run_id is None else plain(insight.run_id, 200)
    try:
        written = json.dumps(insight.details, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"an insight's details cannot be written as JSON: {plain(str(error), 200)}") from error
    details = json.loads(written.encode("utf-8", "replace"))
    return insight.model_copy(update={"text": block(insight.text, 4000), "run_id": run, "details": details})


def to_row(insight: Insight) -> dict[str, Any]:
    """Columns that depend on the insight alone. JSON is ASCII, so nothing in it troubles a database."""
    plainly = insight.model_dump(mode="json")
    return {
        **{name: plainly[name] for name in ("id", "kind", "phase", "importance", "created_at", "run_id", "iteration")},
        "data": None if insight.data is None else _json(plainly["data"]),
        "evidence": _json(plainly["evidence"]),
        "details": _json(plainly["details"]),
        "subject": subject(insight),
        "demoted_by": insight.demoted_by,
    }


def from_row(row: Mapping[str, Any], words: str) -> Insight:
    names = ("id", "kind", "phase", "importance", "created_at", "run_id", "iteration", "demoted_by")
    try:
        return Insight.model_validate_json(
            json.dumps(
                {
                    **{name: row[name] for name in names},
                    "text": words,
                    "data": None if row["data"] is None else json.loads(row["data"]),
                    "evidence": json.loads(row["evidence"]),
                    "details": json.loads(row["details"]),
                }
            )
        )
    except ValueError as error:
        raise ValueError(f"insight {row['id']} cannot be read back") from error


def to_line(insight: Insight) -> str:
    """One line of JSON, with its end."""
    return json_document(insight.model_dump(mode="json"), indent=None)


def from_line(line: str) -> Insight:
    if len(line) > MOST_LINE_CHARS:
        raise ValueError(f"it is longer than {MOST_LINE_CHARS:,} characters")
    try:
        insight = Insight.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(plain(f"{where}: {first['msg']}" if where else first["msg"], 200)) from error
    if moment(insight.created_at).year < 1980:
        raise ValueError("created_at is no time in ISO 8601")
    return insight


def _json(value: Any) -> str:
    return json_document(value, indent=None).strip()
