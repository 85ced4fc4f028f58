"""When a look into the memory may help: before the first proposal, after a failure, and when progress stalls. Pure.

Looking costs little and reading costs a language model tokens, so a run that does well on its own is left alone.
"""

from fumehood.records import Run, Verdict

STALLED = 4
"""So many candidates in a row that were not kept."""


def occasion(run: Run, number: int) -> str:
    """Why to look before iteration ``number`` is proposed; empty where there is no reason, or it was looked already."""
    looked = [one.number for one in run.recollections]
    if number in looked:
        return ""
    if not looked:
        return "nothing was tried yet" if number == 1 else "nothing was looked up yet"
    since = run.iterations[looked[-1] - 1 :]
    if since and since[-1].envelope.failure is not None:
        return f"iteration {since[-1].number} failed ({since[-1].envelope.failure.kind.value})"
    if len(since) >= STALLED and all(one.decision.verdict is Verdict.DISCARD for one in since[-STALLED:]):
        return f"the last {STALLED} candidates were no better than the best before them"
    return ""
