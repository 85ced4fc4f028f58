"""Candidates whose source a language model writes, and what it is told for that.

What it answers is text. Here it becomes a source that parses and that defines what rooms look for, or is asked for
again; whether it is any good is found out in rooms, where alone it is ever run.
"""

from fumehood.assembly.language.author import LanguageAuthor
from fumehood.assembly.language.room import TrainRoom

__all__ = ["LanguageAuthor", "TrainRoom"]
