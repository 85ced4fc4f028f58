"""The planted cheats: what each tries, how it must end, and how it is tried.

A cheat is a file of ``candidates/`` put below ``honest.py``, its honest twin, so that both differ in the cheat alone.
Those that look answers up are told them above their text, as whoever knows a public data set can write them there.
All are tried as ``fumehood check`` tries a candidate, on digits, in one laboratory, so that data are prepared once;
``test_by_command.py`` gives one of every kind to the command itself.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import numpy as np

from fumehood.attacks.stage import Stage
from fumehood.candidate import Candidate
from fumehood.executors import Job
from fumehood.executors.local import predictions_file
from fumehood.records import Envelope, Score
from fumehood.verdicts.checked import Rejection, rejections
from fumehood_shared.messages import FailureKind, SeedSpec

HERE = Path(__file__).parent
HONEST = (HERE / "honest.py").read_text()
KEY_CHARS = 8


@dataclass(frozen=True)
class Cheat:
    name: str
    """Of its file in ``candidates/``, without the ending."""
    tries: str
    rejected: FailureKind | None = None
    """With which kind every seed of it is; None: it counts, and scores no more than its twin."""
    seeds: int = 1
    told: str = ""
    """What stands above its text: ``ANSWERS``, ``TABLE`` or ``ROUNDED``."""


CHEATS = (
    Cheat("forged_results", "writes result, score and verdict files"),
    Cheat("printed_score", "prints a perfect score"),
    Cheat("patched_libraries", "patches torch, NumPy and the clock"),
    Cheat("patched_runner", "rewrites the room's program"),
    Cheat("bundled_data", "reads data sets that libraries bring"),
    Cheat("label_search", "searches files, memory and environment for labels"),
    Cheat("daemon", "leaves a process and notes for the predict room"),
    Cheat("row_order", "knows all labels by their place in the file", FailureKind.INCONSISTENT, told="ANSWERS"),
    Cheat("replayed_predictions", "gives the predictions of an earlier evaluation"),
    Cheat("early_exit", "reports success and ends before it predicts", FailureKind.INTERFACE),
    Cheat("test_time_training", "goes on learning from the rows it is asked", FailureKind.INCONSISTENT),
    Cheat("batch_statistics", "fits itself to the rows of each batch", FailureKind.INCONSISTENT),
    Cheat("hidden_parameters", "hands parameters over beside its weights", FailureKind.HOSTILE_OUTPUT),
    Cheat("small_claim", "says it is small and is large"),
    Cheat("hash_table", "looks rows up in a table of hashes", FailureKind.UNSTABLE, told="TABLE"),
    Cheat("hash_table_behind_a_model", "mends a model by a table of hashes", FailureKind.UNSTABLE, told="TABLE"),
    Cheat("other_seeds", "averages the weights of all seeds", seeds=2),
    Cheat("unlucky_seeds", "crashes with every second seed", seeds=2),
    Cheat("fixed_random_state", "makes all seeds the same one", seeds=2),
)
TWIN_SEEDS = max(cheat.seeds for cheat in CHEATS)
UNSTOPPED = Cheat("rounded_table", "looks rows up by what rounding leaves of them", told="ROUNDED")
"""What no protocol stops: parameters in the source, on labels that are public."""


@dataclass(frozen=True)
class Trial:
    source: str
    envelope: Envelope
    score: Score | None
    rejections: tuple[Rejection, ...]
    deserved: tuple[float, ...]
    """Accuracy of the stored predictions of each seed that was not rejected, counted here."""

    @property
    def value(self) -> float:
        return self.score.primary.mean if self.score else 0.0

    @property
    def shown(self) -> str:
        if self.score is None:
            one = self.rejections[0]
            return f"rejected, {one.kind}"
        failed = f", {self.score.failed_seeds} seed counted as the baseline" if self.score.failed_seeds else ""
        return f"scores {self.value:.3f}{failed}"


Attempt = Callable[[Cheat | None], Trial]


def attempt(stage: Stage, number: int, cheat: Cheat | None) -> Trial:
    """Have one cheat, or the honest twin (None), evaluated by the laboratory's executor and scored by its labels.

    The twin has as many seeds as any cheat. Safe to call from several threads at once.
    """
    source = HONEST if cheat is None else source_of(stage, cheat)
    into = Path(mkdtemp(dir=stage.folder))
    specs = tuple(SeedSpec(seed=k, order=k) for k in range(cheat.seeds if cheat else TWIN_SEEDS))
    envelope = stage.executor.evaluate(Job(number=number, source=source, seeds=specs, followed=True), into)
    score = None if envelope.failure else stage.laboratory.score(envelope, into / "predictions", "validation")
    labels = targets(stage, "validation")
    kept = [seed.seed for seed in envelope.seeds if seed.failure is None]
    predicted = [np.fromfile(predictions_file(into / "predictions", k), "<f4").reshape(-1, 10) for k in kept]
    return Trial(
        source=source,
        envelope=envelope,
        score=score,
        rejections=rejections(envelope, Candidate(path="cheat.py", source=source)),
        deserved=tuple(float((one.argmax(axis=1) == labels).mean()) for one in predicted),
    )


def targets(stage: Stage, split: str) -> np.ndarray:
    return np.fromfile(stage.laboratory.sealed / f"{split}_targets.bin", "<i8")


def source_of(stage: Stage, cheat: Cheat) -> str:
    """Its whole text. What it is told holds in every laboratory with the same split: only orders of rows differ."""
    told = {"": "", "ANSWERS": _answers, "TABLE": _table, "ROUNDED": _rounded}[cheat.told]
    text = told if isinstance(told, str) else told(stage)
    return f"{HONEST}\n{text}\n{(HERE / 'candidates' / f'{cheat.name}.py').read_text()}"


def _answers(stage: Stage) -> str:
    return f"ANSWERS = {targets(stage, 'validation').tolist()}"


def _table(stage: Stage) -> str:
    keys = [hashlib.sha256(row.tobytes()).hexdigest()[:KEY_CHARS] for row in _rows(stage)]
    return f"TABLE = {dict(zip(keys, _labels(stage), strict=True))}"


def _rounded(stage: Stage) -> str:
    """Raw pixels are whole numbers, so that standardising can be undone to the last of them."""
    encoding = stage.laboratory.dataset.encoding
    if encoding.kind == "image":
        size = _rows(stage)[0].size // len(encoding.mean)
        means, spreads = np.repeat(encoding.mean, size), np.repeat(encoding.std, size)
    else:
        raise AssertionError("digits are images")
    raw = (
        np.rint(_rows(stage).reshape(len(_rows(stage)), -1).astype(np.float64) * spreads + means).astype(np.int64) % 256
    )
    keys = [hashlib.sha256(bytes(row.tolist())).hexdigest()[:KEY_CHARS] for row in raw]
    shape = stage.laboratory.dataset.input_shape
    constants = f"MEANS = {np.reshape(means, shape).tolist()}\nSPREADS = {np.reshape(spreads, shape).tolist()}"
    return f"ROUNDED = {dict(zip(keys, _labels(stage), strict=True))}\n{constants}"


def _rows(stage: Stage) -> np.ndarray:
    """Inputs of both judged splits."""
    dataset = stage.laboratory.dataset
    both = (f"{split}_inputs" for split in ("validation", "test"))
    arrays = [np.fromfile(stage.laboratory.sealed / f"{n}.bin", "<f4").reshape(dataset.arrays[n].shape) for n in both]
    return np.concatenate(arrays)


def _labels(stage: Stage) -> list[int]:
    return [int(label) for split in ("validation", "test") for label in targets(stage, split)]
