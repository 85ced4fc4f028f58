"""One run under test: where it lies, how it is started again, what is left of it, and what came out of it.

Looks at the journal, the engine and the state folder as they are. Judges nothing.
"""

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import docker

from fumehood import assets
from integration.lab import command, environment, fumehood_cli, wait_until

GONE_S = 10.0
"""Within this time after a sudden death the engine must know no container of the run."""
REACHED_S = 240.0
"""Longest wait for a run to come to a stage, on a busy machine."""
_SHOWN = 6
ROW_ORDER_KEY = Path("sealed/row-order.key")


def journal(folder: Path) -> list[dict[str, Any]]:
    """Complete lines; an unfinished one is left out."""
    path = folder / "journal.jsonl"
    whole = path.read_bytes().rpartition(b"\n")[0] if path.exists() else b""
    return [json.loads(line) for line in whole.splitlines()]


def kinds(folder: Path) -> list[str]:
    return [entry["kind"] for entry in journal(folder) if entry["kind"] != "resumed"]


def bodies(folder: Path, kind: str) -> list[dict[str, Any]]:
    return [entry["body"] for entry in journal(folder) if entry["kind"] == kind]


def patient_policy(folder: Path) -> Path:
    """Policy ``ci``, every seed in rooms of its own, with more time than anything takes on a busy machine.

    The standard trainer ends early where its time runs short, and then no two runs have the same weights.
    """
    path = folder / "patient.toml"
    text = re.sub(r"(?m)^(ready_s|wall_s) = \d+", r"\1 = 600", (assets.policies() / "ci.toml").read_text())
    path.write_text(text.replace('name = "ci"', 'name = "patient"'))
    return path


@dataclass(frozen=True)
class Run:
    """``asked``: the options of ``fumehood run``. ``changes``: to the environment, such as another engine."""

    folder: Path
    asked: tuple[str, ...]
    changes: dict[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """ "none" before the first line of the journal; no run is called that."""
        lines = journal(self.folder)
        return str(lines[0]["body"]["run_id"]) if lines else "none"

    @property
    def label(self) -> str:
        return f"fumehood.run={self.id}"

    @property
    def iterations(self) -> int:
        """As many as it was asked for; it has no target that could end it sooner."""
        return int(self.asked[self.asked.index("--max-iterations") + 1])

    @property
    def isolated(self) -> bool:
        """Whether each of its seeds has rooms of its own."""
        return "--policy" in self.asked

    @property
    def seeds(self) -> int:
        return int(self.asked[self.asked.index("--num-seeds") + 1])

    @property
    def ended(self) -> bool:
        return kinds(self.folder)[-1:] == ["finished"]

    @property
    def next_command(self) -> list[str]:
        if not kinds(self.folder):
            # Killed before its first line: a user removes the folder and starts again.
            shutil.rmtree(self.folder, ignore_errors=True)
            return ["run", *self.asked, "--workdir", str(self.folder)]
        return ["report" if self.ended else "resume", str(self.folder)]

    @contextmanager
    def started(self) -> Iterator["subprocess.Popen[str]"]:
        """The next command in a process group of its own, so that a Ctrl-C reaches all of it and nobody else."""
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command(*self.next_command), env=environment(**self.changes), stdout=pipe, stderr=pipe, text=True,
            process_group=0,
        ) as process:  # fmt: skip
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()

    def complete(self) -> list[str]:
        """Go on until the run is finished; what went wrong."""
        done = fumehood_cli(*self.next_command, **self.changes)
        wrong = [] if done.returncode == 0 else [f"going on ended with {done.returncode}: {done.stderr[-500:]}"]
        return wrong if self.ended else [*wrong, "the run is not finished"]


def interrupt(process: "subprocess.Popen[str]") -> None:
    """Ctrl-C at its terminal."""
    os.killpg(process.pid, signal.SIGINT)


# ---- what is left --------------------------------------------------------------------------------------------------


def containers(api: docker.APIClient, label: str) -> list[str]:
    return [f"container {c['Names'][0]}" for c in api.containers(all=True, filters={"label": [label]}) if c["Names"]]


def volumes(api: docker.APIClient, label: str) -> list[str]:
    return [f"volume {v['Name']}" for v in api.volumes(filters={"label": [label]}).get("Volumes") or []]


def locks(state: Path) -> set[str]:
    """Lock files of owners under the state folder ``state`` (XDG_STATE_HOME)."""
    return {path.name for path in (state / "fumehood" / "locks").glob("*.lock")}


def remains(api: docker.APIClient, run: Run, state: Path, others: set[str]) -> list[str]:
    """What is left of a run that has just died: of its containers soon, of the rest after a command of ours.

    ``others`` are the lock files of owners that live.
    """
    wait_until(lambda: not containers(api, run.label), GONE_S, 0.1)
    found = containers(api, run.label)
    done = fumehood_cli("gc", **run.changes)
    found += [] if done.returncode == 0 else [f"gc ended with {done.returncode}: {done.stderr[-300:]}"]
    found += containers(api, run.label) + volumes(api, run.label)
    return found + [f"lock {name}" for name in sorted(locks(state) - others)]


# ---- what came out -------------------------------------------------------------------------------------------------


def outcome(folder: Path) -> dict[str, Any]:
    """Everything of a run's result that two runs with the same settings and row orders must share."""
    return {
        "steps": kinds(folder),
        "proposed": bodies(folder, "proposed"),
        "evaluated": [_seeds(body) for body in bodies(folder, "evaluated")],
        "decided": bodies(folder, "decided"),
        "remeasured": [_seeds(body["remeasured"]) for body in bodies(folder, "remeasured")],
        "settled": bodies(folder, "settled"),
        "test": [_seeds(body) for body in bodies(folder, "test_predicted")],
        "measured": [body["sealed"]["score"] for body in bodies(folder, "measured")],
        "finished": bodies(folder, "finished"),
        "report": (folder / "reports" / "report.html").is_file(),
    }


def _seeds(body: dict[str, Any]) -> list[dict[str, Any]]:
    named = ("seed", "weights_digest", "predictions_digest", "parameters", "failure")
    return [{name: seed[name] for name in named} for seed in body["envelope"]["seeds"]]


def unlike(run: Run, undisturbed: Path) -> list[str]:
    """Where a run's outcome differs from the undisturbed one's: the first few places."""
    return list(islice(_differences("outcome", outcome(run.folder), outcome(undisturbed)), _SHOWN))


def _differences(place: str, mine: Any, theirs: Any) -> Iterator[str]:
    if isinstance(mine, dict) and isinstance(theirs, dict) and mine.keys() == theirs.keys():
        for name in mine:
            yield from _differences(f"{place}.{name}", mine[name], theirs[name])
    elif isinstance(mine, list) and isinstance(theirs, list) and len(mine) == len(theirs):
        for number, pair in enumerate(zip(mine, theirs, strict=True)):
            yield from _differences(f"{place}[{number}]", *pair)
    elif mine != theirs:
        yield f"{place}: {mine!r:.200}, undisturbed {theirs!r:.200}"


def share_row_orders(run: Run, undisturbed: Path) -> list[str]:
    """Give a run that has not evaluated anything the secret orders of the undisturbed one, to be comparable.

    Returns what is wrong with that: the run came too far, or not far enough.
    """
    if kinds(run.folder)[-1:] not in (["data_prepared"], ["proposed"]) or "evaluated" in kinds(run.folder):
        return [f"came to {kinds(run.folder)} before its row orders could be set"]
    shutil.copyfile(undisturbed / ROW_ORDER_KEY, run.folder / ROW_ORDER_KEY)
    return []
