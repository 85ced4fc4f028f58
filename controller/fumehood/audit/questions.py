"""The transcript of a language model against the digests of its lines in the journal."""

import hashlib
from collections.abc import Iterator
from itertools import zip_longest

from fumehood.audit.findings import Finding, Group, differs, same, told
from fumehood.journal import State
from fumehood.tree import Tree, Unusable
from fumehood_shared import caps

_NAME = "logs/llm.jsonl"
_LARGEST = 1024 * caps.MIB


def check(state: State, tree: Tree) -> Iterator[Finding]:
    """Nothing for a run that asked no language model."""
    calls = state.run.calls
    if not calls:
        return
    try:
        content = tree.read(_NAME, _LARGEST)
    except Unusable as error:
        yield differs(Group.QUESTIONS, _NAME, str(error))
        return
    written = content.splitlines()
    matching = 0
    for number, (call, line) in enumerate(zip_longest(calls, written), start=1):
        if call is None:
            # a process that was killed between the question and its line in the journal
            yield told(Group.QUESTIONS, f"{_NAME}, line {number}", "the journal knows nothing of it")
        elif line is None or hashlib.sha256(line).hexdigest() != call.digest:
            detail = "it is not there" if line is None else "its digest is another one"
            yield differs(Group.QUESTIONS, f"{_NAME}, line {number}", detail)
        else:
            matching += 1
    if matching:
        yield same(Group.QUESTIONS, _NAME, matching)
