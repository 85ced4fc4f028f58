"""A host whose disk is full: a small tmpfs as run directory, or as the place of this user's state."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker

from chaos.runs import REACHED_S, Run, bodies, containers, kinds, share_row_orders, unlike, volumes
from integration.lab import fumehood_cli, started, wait_until

STORAGE = 6
"""Exit code where the system refuses a file."""


@contextmanager
def small_disk(folder: Path, options: str) -> Iterator[Path]:
    """A tmpfs of our own; takes root."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def enlarge(place: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=64m", str(place)], check=True)


def full_run_directory(
    api: docker.APIClient, place: Path, asked: tuple[str, ...], undisturbed: Path | None = None
) -> list[str]:
    """What went wrong with a run on the small disk ``place``, and with its completion once there is room.

    It is compared with an ``undisturbed`` run where it came far enough to be given that one's row orders, not further.
    """
    run = Run(place / "run", asked)
    full = fumehood_cli("run", *asked, "--workdir", str(run.folder))
    wrong = _refusal(full.returncode, full.stderr)
    wrong += containers(api, run.label) + volumes(api, run.label)
    before = kinds(run.folder)
    enlarge(place)
    comparable = undisturbed is not None and "data_prepared" in before and "evaluated" not in before
    if undisturbed is not None and comparable:
        wrong += share_row_orders(run, undisturbed)
    wrong += run.complete()
    if kinds(run.folder)[: len(before)] != before:
        wrong.append("what was in the journal before the disk was full is not there")
    if (evaluated := len(bodies(run.folder, "evaluated"))) != run.iterations:
        wrong.append(f"{evaluated} evaluations instead of {run.iterations}")
    return wrong + (unlike(run, undisturbed) if undisturbed is not None and comparable else [])


def full_state_folder(api: docker.APIClient, place: Path, folder: Path, asked: tuple[str, ...]) -> list[str]:
    """The same where the run has room, and the disk with locks and ledger fills up while it works."""
    run = Run(folder, asked, {"XDG_STATE_HOME": str(place)})
    with started("run", *asked, "--workdir", str(folder), **run.changes) as process:
        if not wait_until(lambda: "proposed" in kinds(folder) or process.poll() is not None, REACHED_S, 0.002):
            return ["the run did not begin"]
        subprocess.run(["dd", "if=/dev/zero", f"of={place / 'filler'}", "bs=4k"], capture_output=True, check=False)
        _, said = process.communicate(timeout=120)
    wrong = _refusal(process.returncode, said) + containers(api, run.label) + volumes(api, run.label)
    (place / "filler").unlink()
    wrong += run.complete()
    openings = (place / "fumehood" / "seal-ledger.jsonl").read_text().splitlines()
    return wrong if len(openings) == 1 else [*wrong, f"the ledger has {len(openings)} lines"]


def _refusal(code: int, said: str) -> list[str]:
    right = code == STORAGE and "No space left on device" in said and "Traceback" not in said
    return [] if right else [f"a full disk ended with {code}: {said[-300:]}"]
