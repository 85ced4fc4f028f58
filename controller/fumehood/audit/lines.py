"""The journal by itself: its chain, its signatures, its end."""

from collections.abc import Iterator

from fumehood.audit.findings import Finding, Group, differs, not_checked, same, told
from fumehood.chain import Chain
from fumehood.signing import VARIABLE, SigningKey

_FINISHED = "finished"


def check(chain: Chain, key: SigningKey | None, head: str | None) -> Iterator[Finding]:
    """``head``: the hash of a last line as somebody noted it elsewhere."""
    yield same(Group.JOURNAL, "lines", len(chain.entries))
    for broken in chain.breaks:
        yield differs(Group.JOURNAL, f"line {broken.line}", broken.what)
    yield from _end(chain)
    yield from _noted(chain, head)
    yield from _signatures(chain, key)


def is_finished(chain: Chain) -> bool:
    return any(entry.kind == _FINISHED for entry in chain.entries)


def _end(chain: Chain) -> Iterator[Finding]:
    if not chain.entries and not chain.breaks:
        yield differs(Group.JOURNAL, "journal.jsonl", "has no line: the run ended before it began, or all were cut off")
    elif is_finished(chain):
        for entry in chain.entries[:-1]:
            if entry.kind == _FINISHED:
                yield differs(Group.JOURNAL, f"line {entry.number + 1}", "comes after the line that ends the run")
        if chain.tail:
            yield differs(Group.JOURNAL, "journal.jsonl", f"has {chain.tail} bytes after the line that ends the run")
    elif not chain.breaks:
        unfinished = ", and its last line has no end" if chain.tail else ""
        yield not_checked(
            Group.JOURNAL,
            "its end",
            f"the run is not finished{unfinished}: an interruption looks like a cut at the journal's end, unless "
            "reports, the seal's ledger or a head that was noted (--head) know more",
        )


def _noted(chain: Chain, head: str | None) -> Iterator[Finding]:
    if head is None:
        return
    number = next((entry.number for entry in chain.entries if entry.hash == head), None)
    if number is None:
        yield differs(
            Group.JOURNAL, "noted head", "is the hash of no line: the journal was cut before it, or rewritten"
        )
        return
    yield same(Group.JOURNAL, "noted head")
    if number < len(chain.entries):
        yield told(Group.JOURNAL, "noted head", f"is line {number}; {len(chain.entries) - number} came later")


def _signatures(chain: Chain, key: SigningKey | None) -> Iterator[Finding]:
    name, count = chain.signed_with, len(chain.entries)
    if not chain.entries:
        return
    if name is None and key is None:
        yield not_checked(Group.SIGNATURES, "lines", "the run was begun without a signing key", count)
    elif name is None:
        yield differs(Group.SIGNATURES, "journal.jsonl", "is not signed: begun without a key, or written anew since")
    elif key is None:
        why = f"signed with key {name}, key not given: signatures not checked (set {VARIABLE})"
        yield not_checked(Group.SIGNATURES, "lines", why, count)
    elif key.name != name:
        what = f"says that it is signed with key {name}, and the one given is {key.name}: another key, or written anew"
        yield differs(Group.SIGNATURES, "journal.jsonl", what)
    else:
        yield same(Group.SIGNATURES, "lines", count)
