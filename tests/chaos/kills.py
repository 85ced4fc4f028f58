"""The controller killed with SIGKILL, again and again, at seeded random moments of every stage of a run."""

import random
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import docker

from chaos import moments
from chaos.ear import Ear
from chaos.runs import REACHED_S, Run, bodies, containers, kinds, remains, share_row_orders, unlike
from integration.lab import wait_until


@dataclass
class Story:
    """One run that is killed at each of some stages and completed in the end."""

    run: Run
    state: Path
    others: set[str]
    """Lock files of owners that live meanwhile."""
    killed: list[str] = field(default_factory=list)
    """``stage: the journal's last line`` of each kill."""
    wrong: list[str] = field(default_factory=list)

    def tell(self, api: docker.APIClient, undisturbed: Path, stages: Sequence[str], chance: random.Random) -> None:
        """``stages`` in the order of ``moments.STAGES``, ``data_prepared`` among them."""
        for stage in stages:
            if not moments.is_past(self.run, stage):
                exact = stage == "data_prepared"
                self._kill(api, stage, 0.0 if exact else chance.uniform(0.0, moments.LONGEST_S))
            if stage == "data_prepared":
                self.wrong += share_row_orders(self.run, undisturbed)
        self.wrong += self.run.complete() + unlike(self.run, undisturbed)
        self.wrong += containers(api, self.run.label)
        if (openings := len(bodies(self.run.folder, "seal_opened"))) != 1:
            self.wrong.append(f"the seal was opened {openings} times")

    def _kill(self, api: docker.APIClient, stage: str, later_s: float) -> None:
        before = self._train_rooms()
        with closing(Ear(api)) as ear, self.run.started() as process:
            wait_until(lambda: moments.reached(ear, self.run, stage) or process.poll() is not None, REACHED_S, 0.002)
            time.sleep(later_s)
            survived = process.poll() is None
            process.kill()
        last = (kinds(self.run.folder) or ["nothing"])[-1]
        if survived:
            self.killed.append(f"{stage}: {last}")
        elif not self.run.ended:
            self.wrong.append(f"{stage}: ended by itself at {last}")
        self.wrong += [f"{stage}: {what} is left" for what in remains(api, self.run, self.state, self.others)]
        self._expect_nothing_twice(stage, before, ear)

    def _train_rooms(self) -> int:
        """Of all evaluations that are noted, those of finalists among them."""
        evaluated = bodies(self.run.folder, "evaluated")
        again = [body["remeasured"] for body in bodies(self.run.folder, "remeasured")]
        return sum(room["role"] == "train" for body in (*evaluated, *again) for room in body["envelope"]["rooms"])

    def _expect_nothing_twice(self, stage: str, before: int, ear: Ear) -> None:
        """Rooms that had a job: as many as for the evaluations noted, and for one that the kill cut short.

        Others were made ahead of need, and none of these worked.
        """
        made = [(h.action, h.kind) for h in ear.heard if h.run == self.run.id].count(("create", "train"))
        trained = sum((h.kind, h.run) == ("train", self.run.id) for h in ear.worked)
        searching = kinds(self.run.folder).count("decided") < self.run.iterations
        cut_short = 1 if searching and not self.run.isolated else self.run.seeds
        noted = self._train_rooms() - before
        if made < noted or trained > noted + cut_short:
            self.wrong.append(f"{stage}: {trained} train rooms worked, of {made}, and {noted} are noted")
