"""``fumehood doctor``: can this machine do what a policy asks, and does what must fail in its rooms fail?"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fumehood.cli.llm_options import chosen, model_options
from fumehood.cli.options import AS_JSON, POLICY
from fumehood.errors import EngineError, HostileOutputError, UsageError

if TYPE_CHECKING:
    from fumehood.attacks.attack import Finding
    from fumehood.attacks.suite import Control
    from fumehood.doctor import Check
    from fumehood.doctor.llm import Verdict
    from fumehood.policy import Policy

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
@POLICY
@click.option("--attacks", is_flag=True, help="Try the attack suite in rooms of this machine; takes a few minutes.")
@click.option(
    "--controls",
    is_flag=True,
    help="With --attacks: also show that each probe succeeds where its wall is taken away. Opens loose containers.",
)
@click.option("--llm", is_flag=True, help="Only ask the configured language model one small question.")
@model_options
@AS_JSON
def doctor(policy: str, attacks: bool, controls: bool, llm: bool, as_json: bool, **model: Any) -> int:
    """Check engine, image, host and environment, and say what to do about what is missing."""
    from fumehood import policy as policies

    if controls and not attacks:
        raise UsageError("--controls goes with --attacks", "fumehood doctor --attacks --controls")
    if llm and attacks:
        raise UsageError("--llm and --attacks are two examinations", "ask for one after the other")
    if llm:
        return _ask(model, as_json)
    if given := [name for name, value in model.items() if value is not None]:
        flag = f"--{given[0].replace('_', '-')}"
        raise UsageError(f"{flag} goes with --llm", f"fumehood doctor --llm {flag} ...")
    limits = policies.load(policy)
    return _attack(limits, as_json, controls=controls) if attacks else _examine(limits, as_json)


def _examine(limits: "Policy", as_json: bool) -> int:
    from fumehood import doctor as physician
    from fumehood.cli import emit

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


def _ask(model: dict[str, Any], as_json: bool) -> int:
    import os

    from fumehood import text
    from fumehood.cli import emit
    from fumehood.doctor import llm as speech

    found = chosen(**model)
    if found.settings is None:
        raise UsageError("no language model is configured", "--llm-model NAME --llm-base-url URL, or set them")

    def say(line: str) -> None:
        click.echo(f"doctor: {text.plain(line)}", err=True)

    seen = speech.examine(found.settings, found.keys, os.environ, say)
    if as_json:
        emit(_spoken(found.settings.base_url, seen))
        return seen.exit_code
    for check in seen.checks:
        tell(check)
    click.echo("The language model can be used." if seen.exit_code == 0 else "The language model cannot be used.")
    return seen.exit_code


def _spoken(base_url: str | None, seen: "Verdict") -> dict[str, Any]:
    call = seen.call
    return {
        "model": seen.model,
        "base_url": base_url,
        "latency_s": call.latency_s if call else None,
        "prompt_tokens": call.prompt_tokens if call else None,
        "completion_tokens": call.completion_tokens if call else None,
        "cost_usd": call.cost_usd if call else None,
        "structured_output": seen.structured,
        "checks": [check.model_dump() for check in seen.checks],
        "passed": seen.exit_code == 0,
        "exit_code": seen.exit_code,
    }


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


# ---- attacks ---------------------------------------------------------------------------------------------------------


def _attack(limits: "Policy", as_json: bool, *, controls: bool) -> int:
    from fumehood import text
    from fumehood.attacks import suite
    from fumehood.cli import attack_table, emit

    def tell(line: str) -> None:
        click.echo(f"doctor: {text.plain(line)}", err=True)

    rows = suite.run(limits, tell)
    shown = suite.controls(limits, tell) if controls else []
    code = verdict(rows, shown)
    if as_json:
        emit({"policy": limits.name, **_document(rows, shown), "exit_code": code})
    else:
        attack_table.show(rows, shown)
    return code


def _document(rows: Sequence["Finding"], controls: Sequence["Control"]) -> dict[str, Any]:
    passed = sum(row.passed for row in rows)
    found: dict[str, Any] = {"attacks": [row.model_dump(mode="json") for row in rows]}
    if controls:
        found["controls"] = [control.model_dump() for control in controls]
    return {**found, "passed": passed, "failed": len(rows) - passed}


def verdict(rows: Sequence["Finding"], controls: Sequence["Control"]) -> int:
    """Exit code: 4 if an attack got what it is after, 6 if a control shows that a row proves nothing here."""
    if not all(row.passed for row in rows):
        return HostileOutputError.exit_code
    return 0 if all(control.proven or control.absent for control in controls) else EngineError.exit_code
