"""The search of a finished run once more, in one process without rooms.

    python -m bench.bare_search RUN_DIRECTORY [THREADS]

Planner, source, scoring and decision are those of the run, training and prediction the runner's own functions, one seed
after another with THREADS, or as many as torch takes by itself. The planner is told the run's own history, and a
candidate that was given up gets as many seeds as it had, so that both sides train the same; RuntimeError says where
another candidate is proposed. Prints the seconds from the first
proposal to the last decision; loading libraries and the data is outside.
"""

import hashlib
import json
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from bench.own_trainer import check
from fumehood import decision
from fumehood.assembly import template
from fumehood.data import order, seal
from fumehood.evidence import Evidence, Tried
from fumehood.executors.local import job_fields, predictions_file
from fumehood.journal import fold, read
from fumehood.planning.search import SearchPlanner
from fumehood.records import Dataset, Envelope, Iteration, Run, Score, SeedResult, Verdict
from fumehood.run_directory import RunDirectory
from fumehood_runner.seeds import Folders, predict_seed, train_seed, warm_up
from fumehood_shared import paths
from fumehood_shared.messages import PredictRequest, SeedSpec, TrainRequest

_DEADLINE_S = 1800.0


def search(directory: RunDirectory, threads: int) -> float:
    """Seconds that the same candidates take."""
    run = fold(read(directory.journal)).run
    if run.dataset is None:
        raise RuntimeError("the run has no data")
    warm_up()
    with TemporaryDirectory(prefix="fumehood-bench-") as scratch:
        bench = _Bench(run, run.dataset, directory.sealed, Path(scratch), threads)
        bench.lay_out()
        planner, best = SearchPlanner(seed=run.settings.seed), None
        began = time.perf_counter()
        for iteration in run.iterations:
            best = bench.step(planner, iteration, best)
        return time.perf_counter() - began


@dataclass(frozen=True)
class _Bench:
    run: Run
    dataset: Dataset
    sealed: Path
    scratch: Path
    threads: int

    def lay_out(self) -> None:
        """The arrays where the runner looks for them, in the data set's own order."""
        for folder in (self._folders.data, self._folders.exchange / paths.IN, self._predictions):
            folder.mkdir(parents=True)
        for name in ("inputs", "targets"):
            shutil.copyfile(
                self.sealed / paths.array_file(f"train_{name}"), self._folders.data / paths.array_file(name)
            )
        inputs = self._folders.exchange / paths.IN / paths.array_file("inputs")
        shutil.copyfile(self.sealed / paths.array_file("validation_inputs"), inputs)

    def step(self, planner: SearchPlanner, iteration: Iteration, best: Score | None) -> Score | None:
        """One iteration as in ``research``, without a journal and files; the best score so far."""
        earlier = self.run.iterations[: iteration.number - 1]
        plan = planner.propose(self.run.settings.goal, self.dataset, earlier, ())
        if plan is None:
            raise RuntimeError("the bare search has no more proposals")
        source = template.assemble(plan.model_config_, plan.recipe, title=plan.title, rationale=plan.rationale)
        if hashlib.sha256(source.encode()).hexdigest() != iteration.source_digest:
            raise RuntimeError(f"the bare search proposes another candidate than iteration {iteration.number}")
        envelope = self._evaluate(source, iteration.envelope)
        evidence = Evidence(self.sealed, self.dataset)
        measured = evidence.score(Tried(envelope, self._predictions), "validation", self.run.settings.design)
        found = decision.decide(
            measured,
            best,
            self.run.settings.goal,
            envelope=envelope,
            comparison=None,
            spread=None,
            iteration=iteration.number,
            max_iterations=self.run.settings.max_iterations,
            budget_left=True,
        )
        return measured if found.verdict is Verdict.KEEP else best

    def _evaluate(self, source: str, then: Envelope) -> Envelope:
        """Every seed that ``then`` has trained, then every seed's prediction."""
        key = (self.sealed / seal.KEY).read_bytes()
        design = self.run.settings.design
        seeds = [
            SeedSpec(seed=s, order=order.number(key, f"order of seed {s}")) for s in design.seeds[: len(then.seeds)]
        ]
        arrays, exchange = self.dataset.arrays, self._folders.exchange
        shutil.rmtree(exchange / paths.OUT, ignore_errors=True)
        for index in range(len(seeds)):
            (exchange / paths.OUT / paths.seed_dir(index)).mkdir(parents=True)
        (exchange / paths.IN / paths.SOURCE).write_text(source)
        # The runner divides the threads of a request among its seeds.
        fields: dict[str, Any] = job_fields(self.dataset, seeds, "cpu", self.threads * len(seeds))
        fields["deadline_s"] = _DEADLINE_S
        train = TrainRequest(
            **fields, inputs=arrays["train_inputs"], targets=arrays["train_targets"], overrides=design.overrides
        )
        places = tuple(range(len(seeds)))
        predict = PredictRequest(**fields, inputs=arrays["validation_inputs"], handed_over=places)
        reports = []
        for index in range(len(seeds)):
            reports.append(train_seed(train, index, self._folders, started=time.monotonic()))
            check(reports[-1].failure)
        counted = [report.summary.parameters if report.summary else None for report in reports]
        results = tuple(self._predict(predict, index, spec, counted[index]) for index, spec in enumerate(seeds))
        return then.model_copy(update={"seeds": results, "rooms": ()})

    def _predict(self, request: PredictRequest, index: int, spec: SeedSpec, parameters: int | None) -> SeedResult:
        check(predict_seed(request, index, self._folders, started=time.monotonic()).failure)
        raw = self._folders.exchange / paths.OUT / paths.seed_dir(index) / paths.PREDICTIONS
        kept = predictions_file(self._predictions, spec.seed)
        raw.replace(kept)
        return SeedResult(seed=spec.seed, predictions_digest=seal.file_digest(kept), parameters=parameters)

    @property
    def _folders(self) -> Folders:
        return Folders(self.scratch / "exchange", self.scratch / "data", self.scratch / "handover")

    @property
    def _predictions(self) -> Path:
        return self.scratch / "predictions"


if __name__ == "__main__":
    _, where, *said = sys.argv
    found = search(RunDirectory.open(Path(where)), int(said[0]) if said else torch.get_num_threads())
    print(json.dumps(found))
