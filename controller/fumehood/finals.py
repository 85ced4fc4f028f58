"""What follows the search: the finalists again on fresh seeds, the winner among them, and the sealed test, once.

Each step looks first whether the journal holds what it would bring; the seal is never opened twice.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from fumehood import decision
from fumehood.baselines import measuring
from fumehood.baselines.fitting import Fitting
from fumehood.errors import InternalError
from fumehood.evidence import Evidence, Tried
from fumehood.executors import Executor, Job
from fumehood.laboratory import Laboratory
from fumehood.progress import Progress
from fumehood.recorder import Recorder
from fumehood.records import Iteration, Remeasured, Sealed
from fumehood.run_directory import sync

_FINALISTS = 3
"""At most; fewer where fewer are within the noise of the best."""


@dataclass(frozen=True)
class Finals:
    """One run's, from wherever its journal stands."""

    recorder: Recorder
    laboratory: Laboratory
    progress: Progress

    def run(self, executor: Executor, baselines: Fitting | None) -> None:
        """All of it; ``baselines`` were begun beside the search."""
        self.remeasure(executor)
        self.note_baselines(baselines)
        self.measure(executor)
        self.measure_baseline()

    def remeasure(self, executor: Executor) -> None:
        """Try the best again on fresh seeds, and choose the winner among them.

        The best of many was lucky to some degree, its seeds included. What the sealed test measures is free of that.
        """
        run = self.recorder.run
        if run.settled:
            return
        most = _FINALISTS if self.recorder.time_left_s() > 0 else 1
        for number in decision.finalists(run.iterations, run.incumbent, run.settings.goal, most):
            if number not in [one.iteration for one in run.remeasured]:
                self.progress.stage(f"trying iteration {number} again on fresh seeds")
                self.recorder.note("remeasured", remeasured=self._again(executor, run.iterations[number - 1]))
        run = self.recorder.run
        self.recorder.note("settled", winner=decision.winner(run.iterations, run.remeasured, run.settings.goal))
        for one in run.remeasured:
            if one.iteration != self.recorder.run.winner:
                self.recorder.directory.drop_fresh_weights(one.iteration)

    def fitting(self) -> AbstractContextManager[Fitting | None]:
        """The baselines, fitted beside the search; None where the journal holds them already."""
        directory = self.recorder.directory
        if self.recorder.run.baselines is not None or self.recorder.state.opening is not None:
            return nullcontext()
        return Fitting(self.recorder.dataset, directory.sealed, directory.baselines())

    def note_baselines(self, fitting: Fitting | None) -> None:
        """Note what plain scikit-learn reaches on validation."""
        if fitting is not None:
            into = self.recorder.directory.baselines()
            found = measuring.judged(fitting.wait(), self._evidence, into, self.recorder.run.settings.design)
            self.recorder.note("baselines_fitted", baselines=found)

    def measure(self, executor: Executor) -> None:
        """Measure the winner, once, on the sealed test set, with the weights of its fresh seeds."""
        winner, judged = self.recorder.run.best(), self.recorder.run.winning()
        if winner is None or judged is None or self.recorder.run.final is not None:
            return
        self.progress.stage("measuring the winner on the sealed test set")
        folder = self.recorder.directory.final()
        if self.recorder.state.test_envelope is None:
            self.recorder.directory.fresh(folder)
            weights = self.recorder.directory.again(winner.number) / "weights"
            job = self._fresh_job(winner)
            envelope = self.laboratory.predict_test(executor, job, judged, weights, folder)
            sync(folder)
            self.recorder.note("test_predicted", envelope=envelope)
        # From here on the labels are used. What they are used for is on disk, so the seal is never opened twice.
        digest = self.recorder.dataset.digests["test_inputs"]
        if self.recorder.state.opening is None:
            opening = self.laboratory.open_seal(self.recorder.run.run_id)
            self.recorder.note("seal_opened", opening=opening, test_digest=digest)
        state = self.recorder.state
        if state.test_envelope is None or state.opening is None:
            raise InternalError("the seal is open and nothing says what for")
        final = self.laboratory.score(state.test_envelope, folder / "predictions", "test")
        sealed = Sealed(iteration=winner.number, score=final, opening=state.opening, test_digest=digest)
        self.recorder.note("measured", sealed=sealed)
        self.progress.sealed(self.recorder.run)

    def measure_baseline(self) -> None:
        """Measure the best baseline where the winner was measured, at the same opening of the seal."""
        run = self.recorder.run
        chosen = run.baselines.chosen() if run.baselines else None
        envelope = self.recorder.state.test_envelope
        if chosen is None or envelope is None or run.final is None or run.baseline_final is not None:
            return
        directory = self.recorder.directory
        winner = Tried(envelope, directory.final() / "predictions")
        found = measuring.measured(chosen, winner, self._evidence, directory.baselines(), run.settings.design)
        self.recorder.note("baseline_measured", baseline=found)

    # -- what the steps need --

    @property
    def _evidence(self) -> Evidence:
        return Evidence(self.recorder.directory.sealed, self.recorder.dataset)

    def _again(self, executor: Executor, finalist: Iteration) -> Remeasured:
        folder = self.recorder.directory.fresh(self.recorder.directory.again(finalist.number))
        envelope = executor.evaluate(self._fresh_job(finalist), folder)
        sync(folder)
        score = None if envelope.failure else self.laboratory.score(envelope, folder / "predictions", "validation")
        return Remeasured(iteration=finalist.number, envelope=envelope, score=score)

    def _fresh_job(self, finalist: Iteration) -> Job:
        """A budget ends the search and not this, which is what the search was for."""
        source = self.recorder.directory.iteration(finalist.number) / "model.py"
        timeout_s = self.recorder.run.settings.timeout_s
        return self.laboratory.fresh_job(finalist.number, source, finalist.source_digest, timeout_s)
