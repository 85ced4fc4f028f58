"""Where a run stands, read from what was decided so far. Pure: the same history always gives the same phase.

The rule, the first that holds:

    planning      nothing was tried yet
    evaluation    no seed of the last decided candidate survived, so a failure is being looked into
    optimization  there is an incumbent, and it is an improvement of another or enough drafts were tried beside it
    architecture  else: different designs are tried

"Enough" is ``moves.drafts_wanted``. A fix counts with the draft that it repairs.
"""

from collections.abc import Sequence
from itertools import islice

from fumehood.failures import failed
from fumehood.planning.moves import drafts_wanted
from fumehood.records import Iteration, Phase, Verdict


def phase(history: Sequence[Iteration], max_iterations: int) -> Phase:
    """``history`` in the order of its numbers, all of it decided. Looks at as few of them as the answer needs."""
    if not history:
        return Phase.PLANNING
    if failed(history[-1]):
        return Phase.EVALUATION
    wanted = drafts_wanted(max_iterations)
    drafts = (one for one in history if one.plan.move == "draft")
    if next(islice(drafts, wanted - 1, None), None) is not None:
        return Phase.OPTIMIZATION if any(map(_is_kept, history)) else Phase.ARCHITECTURE
    best = next(filter(_is_kept, reversed(history)), None)
    return Phase.OPTIMIZATION if best is not None and best.plan.move == "improve" else Phase.ARCHITECTURE


def _is_kept(iteration: Iteration) -> bool:
    return iteration.decision.verdict is Verdict.KEEP
