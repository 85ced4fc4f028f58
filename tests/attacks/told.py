"""What ``fumehood doctor --attacks`` tells of this machine, asked once for each policy, and what the controls show."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WITHIN_S = 800.0


@dataclass(frozen=True)
class Report:
    document: dict[str, Any]
    code: int

    def row(self, key: str) -> dict[str, Any]:
        """The row of the attack ``GROUP/NAME``."""
        (row,) = (row for row in self.document["attacks"] if f"{row['group']}/{row['name']}" == key)
        return dict(row)


Told = Callable[[str], Report]


def ask(policy: str, state: Path) -> Report:
    """Run the command as a user does."""
    command = [sys.executable, "-c", "from fumehood.cli import main; main()"]
    command += ["doctor", "--attacks", "--policy", policy, "--json"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "XDG_STATE_HOME": str(state)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stdout.count("\n") == 1, (done.stdout, done.stderr)
    return Report(document=json.loads(done.stdout), code=done.returncode)


def markdown(reports: dict[str, Report]) -> str:
    """All rows as a Markdown table, one column for each policy."""
    from fumehood import text

    first = next(iter(reports.values())).document["attacks"]
    lines = [f"| attack | {' | '.join(reports)} |", f"|---|{'---|' * len(reports)}"]
    for row in first:
        key = f"{row['group']}/{row['name']}"
        seen = [report.row(key) for report in reports.values()]
        cells = [("" if one["passed"] else "**FAILED** ") + text.markdown(one["seen"], 160) for one in seen]
        lines.append(f"| {key} | {' | '.join(cells)} |")
    different = [
        f"{row['group']}/{row['name']}"
        for row in first
        if len({report.row(f"{row['group']}/{row['name']}")["seen"] for report in reports.values()}) > 1
    ]
    lines.append(f"\n{len(first)} rows; seen otherwise under the second policy: {len(different)}.")
    return "\n".join(lines)
