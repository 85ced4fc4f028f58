"""Is a run directory what its journal says? Works without an engine, and writes nothing into the directory.

The directory may come from somebody else: nothing in it is believed, and whatever it holds ends in findings. What an
audit cannot tell: a journal that somebody without the signing key wrote anew from end to end, with every file to match,
where it was not signed and no head of it was noted.
"""

from collections.abc import Iterator
from pathlib import Path

from fumehood import chain, signing
from fumehood.audit import derived, lines, questions, surroundings
from fumehood.audit.files import Files
from fumehood.audit.findings import Audit, Finding, Group, Status, are_same, differs, not_checked
from fumehood.chain import Chain
from fumehood.errors import UsageError
from fumehood.journal import fold
from fumehood.tree import Missing, Tree, Unusable

__all__ = ["Audit", "Finding", "Group", "Status", "audit"]

_JOURNAL_BYTES = 256 * 1024 * 1024


def audit(directory: Path, head: str | None = None) -> Audit:
    """Check everything that can be checked; ``head`` is the hash of the last line as it was noted elsewhere.

    Raises UsageError if ``directory`` holds no journal that can be read, or the signing key cannot be used.
    """
    key = signing.read()
    tree = Tree(directory)
    found = chain.verify(_journal(tree, directory), key)
    findings = list(lines.check(found, key, head))
    run_id = None
    if found.entries:
        try:
            run_id = fold(found.entries).run.run_id
        except UsageError as error:
            findings.append(differs(Group.JOURNAL, "journal.jsonl", error.what))
        else:
            findings += _run(found, tree)
    return Audit(
        run_id=run_id,
        lines=len(found.entries),
        head=found.entries[-1].hash if found.entries else "",
        finished=lines.is_finished(found),
        findings=tuple(findings),
    )


def _journal(tree: Tree, directory: Path) -> bytes:
    try:
        return tree.read("journal.jsonl", _JOURNAL_BYTES)
    except Missing as error:
        raise UsageError(
            f"{directory} is not a run directory: it has no journal.jsonl", "give the directory of a run"
        ) from error
    except Unusable as error:
        raise UsageError(
            f"{directory} is not a run directory: its journal.jsonl {error}", "give the directory of a run"
        ) from error


def _run(found: Chain, tree: Tree) -> Iterator[Finding]:
    """What the lines that hold speak of."""
    complete, state = not found.breaks, fold(found.entries)
    yield from surroundings.rules(state)
    yield from surroundings.images(state)
    yield from questions.check(state, tree)
    files = list(Files(tree, state, complete).check())
    yield from files

    def trusted(prefix: str) -> bool:
        return are_same(finding for finding in files if finding.what.startswith(prefix))

    yield from surroundings.raw_data(state)
    yield from derived.scores(state, tree.root, trusted)
    if complete:
        yield from derived.reports(found.entries, tree)
    else:
        yield not_checked(Group.REPORTS, "all", f"the journal is broken from line {found.breaks[0].line} on")
    yield from surroundings.ledger(state, found.entries[-1], complete=complete)
