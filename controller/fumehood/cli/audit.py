"""``fumehood audit`` and ``replay``: is a run directory what its journal says, and does a candidate do it again?"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fumehood.cli.options import AS_JSON, RUN_DIR, VERBOSE
from fumehood.errors import HostileOutputError

if TYPE_CHECKING:
    from fumehood.audit import Audit, Status
    from fumehood.replay import Replay

NOT_REPRODUCED = 1


@click.command()
@RUN_DIR
@click.option("--head", metavar="HASH", help="Hash of the journal's last line, as it was noted elsewhere.")
@AS_JSON
def audit(directory: Path, head: str | None, as_json: bool) -> int:
    """Check that a run directory is what its journal says: every line, file, digest, score and report.

    Needs no engine and writes nothing. Exit code 4 if something differs. Signatures are checked with the key of
    FUMEHOOD_AUDIT_KEY.
    """
    from fumehood import audit as auditor
    from fumehood.cli import emit

    found = auditor.audit(directory, head)
    code = 0 if found.passed else HostileOutputError.exit_code
    if as_json:
        emit({**found.model_dump(mode="json"), "passed": found.passed, "exit_code": code})
    else:
        _tell_audit(found)
    return code


def _tell_audit(found: "Audit") -> None:
    from fumehood.audit import Group, Status

    click.echo(f"{'':24}{'same':>8}{'differs':>10}{'not checked':>14}")
    for group in Group:
        counts = [found.count(group, status) for status in (Status.SAME, Status.DIFFERS, Status.NOT_CHECKED)]
        if any(counts):
            same, wrong, unchecked = counts
            row = f"{group.value:24}{same:>8}{wrong:>10}{unchecked:>14}"
            click.echo(click.style(row, fg="red") if wrong else row)
    for status, title in ((Status.DIFFERS, "Differs"), (Status.NOT_CHECKED, "Not checked"), (Status.TOLD, "To know")):
        _list(found, status, title)
    click.echo(f"\n{found.lines} lines, head {found.head or 'none'}")
    click.echo("Everything that was checked is what the journal says." if found.passed else "This is not what was run.")


def _list(found: "Audit", status: "Status", title: str) -> None:
    """Findings of one kind; those of one reason in one line."""
    from fumehood import text

    reasons: dict[tuple[str, str], list[str]] = {}
    for finding in found.findings:
        if finding.status is status:
            reasons.setdefault((finding.group.value, finding.detail), []).append(finding.what)
    if reasons:
        click.echo(f"\n{title}:")
    for (group, detail), names in reasons.items():
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        click.echo(f"  {group}: {text.plain(', '.join(names[:3]), 300)}{more}: {text.plain(detail)}")


@click.command()
@RUN_DIR
@click.option("--iteration", "number", type=click.IntRange(min=1), required=True, metavar="N", help="Which candidate.")
@VERBOSE
@AS_JSON
def replay(directory: Path, number: int, verbose: bool, as_json: bool) -> int:
    """Try one candidate of a run again in fresh rooms, and compare its predictions bit by bit.

    Nothing is written into DIRECTORY, and the sealed test set stays closed. Exit code 1 if the candidate neither gives
    the same bits nor a score within the interval of then.
    """
    from fumehood import replay as replays
    from fumehood.cli import emit
    from fumehood.cli.outcome import watcher
    from fumehood.run_directory import RunDirectory

    found = replays.replay(RunDirectory.open(directory), number, watcher(as_json=as_json, verbose=verbose))
    code = NOT_REPRODUCED if found.verdict is replays.Verdict.NOT_REPRODUCED else 0
    if as_json:
        emit({**found.model_dump(mode="json"), "exit_code": code})
    else:
        _tell_replay(found)
    return code


def _tell_replay(found: "Replay") -> None:
    from fumehood import text

    for seed in found.seeds:
        far = f", by at most {seed.largest_difference:.3g}" if seed.largest_difference is not None else ""
        verb = "the same" if seed.same else f"different{far}"
        click.echo(f"seed {seed.seed}: {verb} ({text.plain(seed.then, 16)} then, {text.plain(seed.now, 16)} now)")
    for when, summary in (("then", found.then), ("now", found.now)):
        if summary is not None:
            bounds = f" [{summary.interval.low:.4g}, {summary.interval.high:.4g}]" if summary.interval else ""
            click.echo(f"{text.plain(summary.name, 40)} on validation {when}: {summary.mean:.6g}{bounds}")
    for note in found.notes:
        click.echo(f"note: {text.plain(note)}")
    click.echo(_REPLAYED[found.verdict.value])


_REPLAYED = {
    "bit_by_bit": "Reproduced bit by bit.",
    "within_interval": "Reproduced within the interval: bits differ, and the mean lies in the interval of then.",
    "not_reproduced": "Not reproduced.",
}
