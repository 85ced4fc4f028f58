"""The planner that asks a language model: what it sees, what it may answer, and what becomes of the answer.

Which move comes next is not the model's to choose (``planning.moves``), and neither is whether the goal is met: it
proposes, rooms try, trusted code decides.
"""

from fumehood.planning.language.planner import LanguagePlanner

__all__ = ["LanguagePlanner"]
