"""``make chaos``: everything that can end a run badly, done to real runs. Prints counts; exit code 1 if any went wrong.

Takes root, ``dockerd`` and ``setpriv`` on PATH, and about a quarter of an hour on two cores. ``--seed N`` draws other
moments. The shared engine is never restarted: that happens to one of our own.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path

import docker

from chaos import disks, interrupts, kills, moments, restarts, together
from chaos.daemon import daemon
from chaos.neighbours import Neighbours, neighbours
from chaos.runs import Run, patient_policy, share_row_orders, unlike
from fumehood.sandbox import engine, image
from integration.lab import fumehood_cli

ASKED = (
    "--goal", "Classify iris as well as possible", "--data", "iris", "--max-iterations", "3", "--num-seeds", "2",
    "--planner", "search",
)  # fmt: skip
SHARED, ISOLATED = "shared rooms", "isolated seeds"
STORIES = (SHARED, ISOLATED, SHARED, ISOLATED)
KILLS = 30
"""At least: a random moment can lie past the next stage, whose kill is left out then."""
CTRL_C = (
    ("preparing", 1), ("data_prepared", 1), ("training", 1), ("predicting", 2), ("second training", 2),
    ("second predicting", 1), ("sealed measurement", 1), ("report", 2),
)  # fmt: skip


@dataclass
class Tally:
    """What was done, how often, and what went wrong."""

    rows: list[tuple[str, int, int]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def add(self, what: str, times: int, wrong: list[str]) -> None:
        self.rows.append((what, times, len(wrong)))
        self.wrong += [f"{what}: {line}" for line in wrong]
        print(f"{what:<58} {times:>4} times  {len(wrong):>3} wrong", flush=True)
        for line in wrong:
            print(f"    wrong: {line}", flush=True)


@dataclass(frozen=True)
class Chaos:
    api: docker.APIClient
    folder: Path
    state: Path
    asked: dict[str, tuple[str, ...]]
    """Options by kind of run."""
    undisturbed: dict[str, Path]
    neighbours: Neighbours
    seed: int
    tally: Tally

    def kill(self) -> None:
        chance, killed = random.Random(self.seed), 0
        for number, name in enumerate(islice(cycle(STORIES), 2 * len(STORIES)), start=1):
            if killed >= KILLS:
                break
            run = Run(self.folder / f"killed-{number}", self.asked[name])
            story = kills.Story(run, self.state, set(self.neighbours.locks))
            story.tell(self.api, self.undisturbed[name], moments.STAGES, chance)
            self.tally.add(f"SIGKILL, {name}, then completed alike", len(story.killed), story.wrong)
            for line in story.killed:
                print(f"    {line}")
            killed += len(story.killed)
        if killed < KILLS:
            self.tally.add("SIGKILL often enough", killed, [f"{killed} kills instead of {KILLS}"])

    def interrupt(self) -> None:
        chance, others = random.Random(self.seed), set(self.neighbours.locks)
        for name, asked in self.asked.items():
            run, wrong = Run(self.folder / f"interrupted-{name.partition(' ')[0]}", asked), []
            for stage, times in CTRL_C:
                if not moments.is_past(run, stage):
                    wrong += interrupts.interrupted(self.api, run, self.state, others, stage, times, chance)
                if stage == "data_prepared":
                    wrong += share_row_orders(run, self.undisturbed[name])
            wrong += run.complete() + unlike(run, self.undisturbed[name])
            self.tally.add(f"Ctrl-C once or twice, {name}, then completed alike", len(CTRL_C), wrong)

    def together(self) -> None:
        for number, other in enumerate((False, True)):
            folder = self.folder / f"together-{number}"
            folder.mkdir()
            wrong = together.two_at_once(self.api, folder, ASKED, other_account=other)
            self.tally.add(f"two runs at once, of {'two accounts' if other else 'one account'}", 1, wrong)

    def fill(self) -> None:
        for size in ("48k", "80k", "160k", "240k"):
            with disks.small_disk(self.folder / f"disk-{size}", f"size={size}") as place:
                wrong = disks.full_run_directory(self.api, place, ASKED, self.undisturbed[SHARED])
            self.tally.add(f"disk of the run full at {size}, then completed", 1, wrong)
        with disks.small_disk(self.folder / "disk-state", "size=256k") as place:
            wrong = disks.full_state_folder(self.api, place, self.folder / "run-full-state", ASKED)
        self.tally.add("disk of locks and ledger full, then completed", 1, wrong)

    def restart(self) -> None:
        found = image.find(engine.connect(), "cpu")
        with daemon([found.sandbox.tag, found.prepare.tag]) as second:
            for way in restarts.WAYS:
                run = Run(self.folder / f"restarted-{way.name}", ASKED, {"DOCKER_HOST": second.url})
                wrong = restarts.through_restarts(second, run, self.state, self.undisturbed[SHARED], way)
                self.tally.add(f"engine ended by {way.name}, then completed alike", len(restarts.STAGES), wrong)
                for role in ("train", "predict"):
                    said = restarts.whose_fault(second, way, role)
                    wrong = [] if said.startswith("engine") else [said]
                    self.tally.add(f"engine ended by {way.name} under a {role} room: its fault", 1, wrong)

    def look_around(self, what: str) -> None:
        if harm := self.neighbours.harm(self.api):
            self.tally.add(f"neighbours after {what}", 1, harm)


@contextmanager
def _begun(seed: int) -> Iterator[Chaos]:
    """A state folder of our own, undisturbed runs to compare with, and neighbours."""
    api = engine.connect().api
    with tempfile.TemporaryDirectory(prefix="fumehood-chaos-") as name:
        folder = Path(name)
        state = folder / "state"
        os.environ.update(XDG_STATE_HOME=str(state), XDG_DATA_HOME=str(state))
        undisturbed: dict[str, Path] = {}
        asked = {SHARED: ASKED, ISOLATED: (*ASKED, "--policy", str(patient_policy(folder)))}
        for kind, options in asked.items():
            undisturbed[kind] = folder / f"undisturbed-{kind.partition(' ')[0]}"
            done = fumehood_cli("run", *options, "--workdir", str(undisturbed[kind]))
            if done.returncode != 0:
                raise SystemExit(f"chaos: the undisturbed run failed: {done.stderr[-500:]}")
        image_id = image.find(engine.connect(), "cpu").sandbox.image_id
        with neighbours(api, image_id, folder) as others:
            yield Chaos(api, folder, state, asked, undisturbed, others, seed, Tally())


def main() -> int:
    asked = argparse.ArgumentParser(prog="chaos", description=__doc__.splitlines()[0] if __doc__ else None)
    asked.add_argument("--seed", type=int, default=0, help="of the random moments")
    asked.add_argument("parts", nargs="*", help="kill interrupt together fill restart; all where none is named")
    options, began = asked.parse_args(), time.monotonic()
    if os.geteuid() != 0:
        raise SystemExit("chaos: a second account, a second engine and small disks take root")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("chaos: told to end"))
    with _begun(options.seed) as chaos:
        parts: dict[str, Callable[[], None]] = {
            part.__name__: part for part in (chaos.kill, chaos.interrupt, chaos.together, chaos.fill, chaos.restart)
        }
        for part in options.parts or parts:
            parts[part]()
            chaos.look_around(part)
        tally = chaos.tally
    times = sum(row[1] for row in tally.rows)
    print(f"{times} blows with seed {options.seed}, {len(tally.wrong)} things wrong, {time.monotonic() - began:.0f} s")
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
