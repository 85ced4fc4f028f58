"""What the research loop tells whoever watches: a protocol, and the watcher that says nothing.

The loop imports this module alone; how it looks on a terminal is ``fumehood.cli.view``'s. Calls come from one thread,
but ``room``, which may come from any. Several iterations may be under way at once. A watcher never raises and never
decides anything. Texts in ``Plan`` and ``Iteration`` may be hostile: a watcher escapes them before they reach its sink.
"""

# ruff: noqa: ARG002 - what the protocol does by default is nothing, and that takes no argument

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self

from fumehood.records import Iteration, Plan, Run

Role = Literal["prepare", "train", "predict"]
RoomState = Literal["warming", "ready", "running", "done", "failed"]


class Progress(Protocol):
    """A context manager: whatever it holds of the terminal is given back when the block ends, however it ends."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def stage(self, text: str) -> None:
        """What goes on now, as a phrase: "Preparing the data", "Planning"."""
        return

    def note(self, text: str) -> None:
        """Something the user should know and that stays on the screen, such as a policy's dangerous setting."""
        return

    def run_started(self, run: Run) -> None:
        """Before the first iteration; a resumed run already holds some."""
        return

    def iteration_started(self, number: int, plan: Plan) -> None:
        return

    def room(self, number: int, role: Role, state: RoomState) -> None:
        """``number`` is the iteration that the room works for; 0 for none."""
        return

    def iteration_done(self, iteration: Iteration) -> None:
        return

    def abandoned(self, numbers: Sequence[int]) -> None:
        """The search stopped while these iterations were under way; they have no ``iteration_done``."""
        return

    def sealed(self, run: Run) -> None:
        """The sealed test set was opened; ``run.final`` holds the measurement."""
        return

    def finished(self, run: Run, directory: Path) -> None:
        """The run is over and its reports are under ``directory``."""
        return


class SilentProgress(Progress):
    """For ``--json`` and for the Python API: every call is the protocol's own, which does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None
