"""``fumehood doctor``: can this machine do what a policy asks?"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fumehood.cli.options import AS_JSON, POLICY
from fumehood.errors import EngineError

if TYPE_CHECKING:
    from fumehood.doctor import Check

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
@POLICY
@AS_JSON
def doctor(policy: str, as_json: bool) -> int:
    """Check engine, image, host and environment, and say what to do about what is missing."""
    from fumehood import doctor as physician
    from fumehood import policy as policies
    from fumehood.cli import emit

    limits = policies.load(policy)
    checks = physician.examine(limits, Path.cwd())
    code = 0 if physician.passed(checks) else EngineError.exit_code
    if as_json:
        found = [check.model_dump() for check in checks]
        emit({"policy": limits.name, "checks": found, "passed": code == 0, "exit_code": code})
        return code
    for check in checks:
        tell(check)
    click.echo(_verdict([check.status for check in checks]))
    return code


def tell(check: "Check") -> None:
    """Print one check for people."""
    from fumehood import text

    status = click.style(f"{check.status:4}", fg=_COLOURS[check.status])
    click.echo(f"{status}  {check.name:20} {text.plain(check.seen, 2000)}")
    if check.hint:
        click.echo(f"{'':6}{'':20} -> {text.plain(check.hint, 2000)}")


def _verdict(statuses: list[str]) -> str:
    missing, warned = statuses.count("fail"), statuses.count("warn")
    if missing:
        return f"{missing} of {len(statuses)} checks failed: a run would be refused."
    return f"A run can start here{f'; {warned} warnings' if warned else ''}."
