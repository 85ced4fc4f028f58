"""The search of ``fumehood run`` in one process without rooms, for tuning: the same planner, source, trainer, scores.

One seed after another on one thread; the finalists are tried again on fresh seeds, with which the winner is measured on
the test, as in a run. What it does not have: rooms, deadlines, a journal, and racing: every candidate has all seeds.
"""

import hashlib
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.own_trainer import check
from bench.quality.prepared import Prepared
from fumehood import decision, goal
from fumehood.assembly import template
from fumehood.baselines import measuring
from fumehood.baselines.fitting import Fitting
from fumehood.baselines.wire import predictions_file
from fumehood.data import order
from fumehood.evidence import Evidence, Tried
from fumehood.executors.local import job_fields
from fumehood.planning.search import SearchPlanner
from fumehood.records import Dataset, Design, Envelope, Goal, Iteration, Remeasured, Score, SeedResult, Verdict
from fumehood.scoring import noise
from fumehood.scoring.baseline import Baseline
from fumehood.scoring.score import score
from fumehood_runner.seeds import Folders, predict_seed, train_seed, warm_up
from fumehood_shared import paths
from fumehood_shared.messages import PredictRequest, SeedSpec, TrainRequest

DEADLINE_S = 1800.0
FINALISTS = 3
"""As in ``research``."""


@dataclass(frozen=True)
class Found:
    """A search's outcome: the goal's metric of the winner on validation and on the sealed test."""

    iteration: int
    title: str
    validation: float
    test: float
    seconds: float


def best_baseline(prepared: Prepared, scratch: Path) -> tuple[str, float]:
    """Name, and the goal's metric on the test, of the baseline that is best on validation."""
    scratch.mkdir()
    with Fitting(prepared.dataset, prepared.folder, scratch / "into") as fitting:
        fitted = fitting.wait(600.0)
    design = Design(metric=goal_of(prepared.dataset).metric, seeds=(0,), confidence_level=0.95, device="cpu")
    evidence = Evidence(prepared.folder, prepared.dataset)
    chosen = measuring.judged(fitted, evidence, scratch / "into", design).chosen()
    if chosen is None:
        raise RuntimeError("no baseline was fitted")
    folder = predictions_file(scratch / "into", chosen.name, "test").parent
    found = evidence.score(Tried(chosen.envelope("test"), folder), "test", design)
    return chosen.name, found.primary.mean


def goal_of(dataset: Dataset) -> Goal:
    draft = goal.parse("as good as possible", data=dataset.spec, metric=None, target=None)
    return goal.complete(draft, dataset.task)


class BareSearch:
    """``seed``: the planner's, from which the candidates' own follow as in a run with ``--seed``."""

    def __init__(self, prepared: Prepared, scratch: Path, seeds: int, seed: int) -> None:
        warm_up()
        self._prepared, self._seed = prepared, seed
        dataset = prepared.dataset
        self._goal = goal_of(dataset)
        key = hashlib.sha256(f"{dataset.spec}:{dataset.split_seed}".encode()).digest()
        self._seeds, self._fresh = (
            [SeedSpec(seed=s, order=order.number(key, f"order of seed {s}")) for s in Design.repetitions(of, seeds)]
            for of in (seed, 2 * seed + 1)
        )
        self._folders = Folders(scratch / "exchange", scratch / "data", scratch / "handover")
        for folder in (self._folders.data, self._folders.exchange / paths.IN):
            folder.mkdir(parents=True)
        for name in ("inputs", "targets"):
            source = prepared.folder / paths.array_file(f"train_{name}")
            shutil.copyfile(source, self._folders.data / paths.array_file(name))

    def run(self, iterations: int) -> Found:
        """Raises RuntimeError if a candidate fails, or none is kept."""
        began = time.perf_counter()
        history, incumbent = self._search(iterations)
        again, tests = [], {}
        for number in decision.finalists(history, incumbent, self._goal, FINALISTS):
            envelope = self._train(self._sources[number], self._fresh)
            again.append(Remeasured(iteration=number, envelope=envelope, score=self._score("validation", self._fresh)))
            tests[number] = self._score("test", self._fresh).primary.mean
        winner = decision.winner(history, again, self._goal)
        if winner is None:
            raise RuntimeError("no candidate was kept")
        best = history[winner - 1]
        validation = best.score.primary.mean if best.score else float("nan")
        return Found(winner, best.plan.title, validation, tests[winner], time.perf_counter() - began)

    def _search(self, iterations: int) -> tuple[list[Iteration], int | None]:
        """Every candidate, in order, and the number of the one that leads."""
        planner, history, best = SearchPlanner(seed=self._seed), list[Iteration](), None
        self._sources: dict[int, str] = {}
        kept: list[tuple[float, ...]] = []
        for number in range(1, iterations + 1):
            plan = planner.propose(self._goal, self._prepared.dataset, history, ())
            if plan is None:
                break
            source = template.assemble(plan.model_config_, plan.recipe, title=plan.title, rationale=plan.rationale)
            self._sources[number] = source
            envelope = self._train(source, self._seeds)
            measured = self._score("validation", self._seeds)
            verdict = decision.decide(
                measured,
                best.score if best else None,
                self._goal,
                envelope=envelope,
                comparison=None,  # is noted in a run, and decides nothing
                spread=noise.pooled_seed_std(kept),
                iteration=number,
                max_iterations=iterations,
                budget_left=True,
            )
            digest = envelope.source_digest
            done = Iteration(
                number=number, plan=plan, source_digest=digest, envelope=envelope, score=measured, decision=verdict
            )
            history.append(done)
            if verdict.verdict is Verdict.KEEP:
                best = done
                kept.append(measured.primary.values)
        return history, best.number if best else None

    def _train(self, source: str, seeds: Sequence[SeedSpec]) -> Envelope:
        """Every seed; the envelope tells the number of parameters."""
        shutil.rmtree(self._folders.handover, ignore_errors=True)
        for index in range(len(seeds)):
            (self._folders.handover / paths.seed_dir(index)).mkdir(parents=True)
        (self._folders.exchange / paths.IN / paths.SOURCE).write_text(source)
        arrays = self._prepared.dataset.arrays
        request = TrainRequest(**self._fields(seeds), inputs=arrays["train_inputs"], targets=arrays["train_targets"])
        results = []
        for index, spec in enumerate(seeds):
            report = train_seed(request, index, self._folders, started=time.monotonic())
            check(report.failure)
            results.append(SeedResult(seed=spec.seed, parameters=report.summary.parameters if report.summary else None))
        return Envelope(source_digest=hashlib.sha256(source.encode()).hexdigest(), seeds=tuple(results), rooms=())

    def _score(self, split: Any, seeds: Sequence[SeedSpec]) -> Score:
        """Of what was trained last."""
        dataset = self._prepared.dataset
        inputs = self._folders.exchange / paths.IN / paths.array_file("inputs")
        shutil.copyfile(self._prepared.folder / paths.array_file(f"{split}_inputs"), inputs)
        places = tuple(range(len(seeds)))
        request = PredictRequest(**self._fields(seeds), inputs=dataset.arrays[f"{split}_inputs"], handed_over=places)
        found = []
        for index in places:
            out = self._folders.exchange / paths.OUT / paths.seed_dir(index)
            out.mkdir(parents=True, exist_ok=True)
            check(predict_seed(request, index, self._folders, started=time.monotonic()).failure)
            found.append(np.fromfile(out / paths.PREDICTIONS, "<f4").reshape(-1, dataset.num_outputs))
        return score(
            found,
            self._prepared.targets(split),
            task=dataset.task,
            split=split,
            metric=self._goal.metric,
            class_names=dataset.target.classes,
            baseline=Baseline.fit(self._prepared.targets("train"), dataset.task, dataset.num_outputs),
        )

    def _fields(self, seeds: Sequence[SeedSpec]) -> dict[str, Any]:
        # The runner divides the threads of a request among its seeds.
        return {**job_fields(self._prepared.dataset, seeds, "cpu", len(seeds)), "deadline_s": DEADLINE_S}
