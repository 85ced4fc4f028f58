"""Where a run stands, read from what was decided so far. Pure: the same history always gives the same phase.

The rule, the first that holds:

    planning      nothing was tried yet
    evaluation    no seed of the last decided candidate survived, so a failure is being looked into
    optimization  there is an incumbent, and it is an improvement of another or enough drafts were tried beside it
    architecture  else: different designs are tried

"Enough" is ``moves.drafts_wanted``. A fix counts with the draft that it repairs.
"""

from collections.abc import Sequence

from fumehood.failures import failed
from fumehood.planning.moves import drafts_wanted
from fumehood.records import Iteration, Phase, Verdict


def phase(history: Sequence[Iteration], max_iterations: int) -> Phase:
    """``history`` in the order of its numbers, all of it decided."""
    if not history:
        return Phase.PLANNING
    if failed(history[-1]):
        return Phase.EVALUATION
    drafts, best = 0, None
    for one in history:
        drafts += one.plan.move == "draft"
        best = one if one.decision.verdict is Verdict.KEEP else best
    if best is not None and (best.plan.move == "improve" or drafts >= drafts_wanted(max_iterations)):
        return Phase.OPTIMIZATION
    return Phase.ARCHITECTURE
