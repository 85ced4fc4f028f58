"""The loop: goal -> plan -> candidate -> rooms -> score -> decision -> next plan -> ... -> the sealed test -> report.

Every step ends with a line in the journal, and begins by looking whether that line is there already; that is all there
is to resuming.
"""

import hashlib
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fumehood import decision, goal, preparation, text
from fumehood.assembly.author import Author
from fumehood.baselines import measuring
from fumehood.baselines.fitting import Fitting
from fumehood.data import seal
from fumehood.errors import EngineError, InternalError
from fumehood.evidence import Evidence, Tried
from fumehood.executors import Executor, Job
from fumehood.executors.parallel import Tasks
from fumehood.journal import Pending
from fumehood.laboratory import Laboratory, warm_rooms
from fumehood.planning.protocol import Planner
from fumehood.progress import Progress
from fumehood.recorder import Recorder
from fumehood.records import Comparison, Envelope, Iteration, Remeasured, Run, Sealed, Verdict
from fumehood.run_directory import sync, write_text
from fumehood.sandbox.host import Host
from fumehood.scoring import multiple, noise
from fumehood.trial import Rival, trial

_FINALISTS = 3
"""At most; fewer where fewer are within the noise of the best."""

Evaluations = Tasks[int, Envelope]
"""Under way, by the number of the candidate."""


@dataclass(frozen=True)
class Research:
    """One run, from wherever its journal stands to its end."""

    recorder: Recorder
    host: Host
    planner: Planner
    author: Author
    progress: Progress

    def run(self) -> Run:
        """Do everything that is still to be done; returns the finished run."""
        self.progress.run_started(self.recorder.run)
        self.note_image()
        settings = self.recorder.run.settings
        with warm_rooms(self.host, settings.parallel, settings.splits) as pool:
            self.prepare()
            with self.laboratory.executor(pool) as executor, self.fitting() as baselines:
                self.search(executor)
                self.remeasure(executor)
                self.note_baselines(baselines)
                self.measure(executor)
                self.measure_baseline()
        self.finish()
        return self.recorder.run

    def search(self, executor: Executor) -> None:
        """Candidates, as many at once as was asked for, until a decision stops it; what is under way then is given up.

        What is proposed and decided does not depend on which of them is ready first: decisions come in the order of the
        numbers, and the next candidate is proposed when the first of those under way is decided, not before.
        """
        with Evaluations(self.recorder.run.settings.parallel, executor.abandon) as evaluations:
            while self.recorder.run.stopped_because is None:
                self.step(executor, evaluations)
        self.abandon()

    def step(self, executor: Executor, evaluations: Evaluations) -> None:
        """One iteration: propose what there is room for, evaluate, decide the first."""
        while self._has_room() and self.propose():
            pass
        if not self.recorder.state.pending:
            self.recorder.note("exhausted")
            return
        for pending in self.recorder.state.pending:
            if pending.envelope is None and pending.number not in evaluations:
                self.evaluate(executor, evaluations, pending)
        while self.recorder.state.pending[0].envelope is None:
            self.keep(*evaluations.ended())
        self.decide(self.recorder.state.pending[0])

    # -- the steps --

    def note_image(self) -> None:
        """Note which image this run uses; a run never changes it."""
        noted = self.recorder.run.image
        if noted is None:
            self.recorder.note("image", sandbox=self.host.images.sandbox, prepare=self.host.images.prepare)
        elif noted.image_id != self.host.images.sandbox.image_id:
            raise EngineError(
                f"this run began with image {noted.tag}, and the present one is {self.host.images.sandbox.tag}",
                "use the version of fumehood that began it, or start a new run",
            )

    def prepare(self) -> None:
        """Load, split and encode the data in a room; seal what comes back."""
        run = self.recorder.run
        if run.dataset is not None:
            return
        self.progress.stage("preparing data")
        sealed = self.recorder.directory.fresh(self.recorder.directory.sealed)
        dataset, facts = preparation.prepare(
            self.host, sealed, run.settings.data, run.settings.split_seed, run.settings.subset, run.settings.splits
        )
        draft = goal.parse(
            run.settings.goal.text, data=run.settings.data, metric=run.settings.metric, target=run.settings.target
        )
        self.recorder.note(
            "data_prepared",
            dataset=dataset,
            goal=goal.complete(draft, dataset.task),
            room=facts,
            order_key_digest=seal.file_digest(sealed / seal.KEY),
        )

    def propose(self) -> bool:
        """Ask the planner, and write the candidate's source; False if it has nothing more to propose."""
        run, pending = self.recorder.run, self.recorder.state.pending
        plans = [begun.plan for begun in pending]
        plan = self.planner.propose(run.settings.goal, self.recorder.dataset, run.iterations, plans)
        if plan is None:
            return False
        source = self.author.write(plan, run.settings.goal, self.recorder.dataset, run.iterations)
        number = len(run.iterations) + len(pending) + 1
        folder = self.recorder.directory.fresh(self.recorder.directory.iteration(number))
        write_text(folder / "model.py", source)
        write_text(folder / "plan.json", text.json_document(plan.model_dump(mode="json")))
        sync(folder)
        digest = hashlib.sha256(source.encode()).hexdigest()
        files = _digests(folder, "plan.json")
        self.recorder.note("proposed", number=number, plan=plan, source_digest=digest, files=files)
        return True

    def evaluate(self, executor: Executor, evaluations: Evaluations, pending: Pending) -> None:
        """Begin to train and predict in rooms."""
        self.progress.iteration_started(pending.number, pending.plan)
        folder = self.recorder.directory.iteration(pending.number)
        for name in ("weights", "predictions"):
            self.recorder.directory.fresh(folder / name)
        job, rival = self._job(pending.number, pending.source_digest), self._rival(pending.decided)
        evaluations.start(pending.number, partial(trial, executor, self.laboratory, job, folder, rival))

    def keep(self, number: int, envelope: Envelope) -> None:
        """Note what an evaluation brought."""
        folder = self.recorder.directory.iteration(number)
        write_text(folder / "outcome.json", text.json_document(envelope.model_dump(mode="json")))
        write_text(folder / "room.log", text.block(envelope.log_tail))
        sync(folder)
        files = _digests(folder, "outcome.json", "room.log")
        self.recorder.note("evaluated", number=number, envelope=envelope, files=files)

    def decide(self, pending: Pending) -> None:
        """Score the predictions, and keep or discard."""
        run, envelope = self.recorder.run, pending.envelope
        if envelope is None:
            raise InternalError("a candidate is judged before it was evaluated")
        best = run.best()
        folder = self.recorder.directory.iteration(pending.number)
        predictions = folder / "predictions"
        measured = None if envelope.failure else self.laboratory.score(envelope, predictions, "validation")
        rival = self._rival(len(run.iterations))
        verdict = decision.decide(
            measured,
            best.score if best else None,
            run.settings.goal,
            envelope=envelope,
            comparison=self._compared(Tried(envelope, predictions), rival) if measured and rival else None,
            spread=rival.spread if rival else None,
            iteration=pending.number,
            max_iterations=run.settings.max_iterations,
            budget_left=self._budget_left_s() > 0,
        )
        self.recorder.note("decided", number=pending.number, score=measured, decision=verdict)
        self._forget_weights(pending.number, best, verdict.verdict)
        self.progress.iteration_done(self.recorder.run.iterations[-1])

    def abandon(self) -> None:
        """Note which candidates the end of the search found under way."""
        numbers = [pending.number for pending in self.recorder.state.pending]
        if numbers:
            self.recorder.note("abandoned", numbers=numbers)
            self.progress.abandoned(numbers)
        for number in self.recorder.run.abandoned:
            self.recorder.directory.drop_weights(number)

    def remeasure(self, executor: Executor) -> None:
        """Try the best again on fresh seeds, and choose the winner among them.

        The best of many was lucky to some degree, its seeds included. What the sealed test measures is free of that.
        """
        run = self.recorder.run
        if run.settled:
            return
        most = _FINALISTS if self._budget_left_s() > 0 else 1
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

    def finish(self) -> None:
        """Put the winner where users look for it, and write the reports."""
        run = self.recorder.run
        if run.winner is not None:
            self.recorder.directory.keep_winner(run.winner)
        achieved = decision.goal_achieved(run.final.score, run.settings.goal) if run.final else None
        if run.final is None and run.settings.goal.target is not None:
            achieved = False
        self.recorder.note("finished", goal_achieved=achieved)
        self.recorder.report()
        if not run.settings.keep:
            self.recorder.directory.keep_results_only()
        self.progress.finished(self.recorder.run, self.recorder.directory.path)

    # -- what the steps need --

    @property
    def laboratory(self) -> Laboratory:
        """Where this run's candidates are tried, once its data are prepared."""
        directory, run = self.recorder.directory, self.recorder.run
        dataset, design = self.recorder.dataset, run.settings.design
        return Laboratory(self.host, directory.sealed, directory.sealed / "scratch", dataset, design, self.progress)

    def _rival(self, decided: int) -> Rival | None:
        """The best of the first ``decided`` iterations; None before the first keep."""
        kept = [one for one in self.recorder.state.kept if one.number <= decided]
        if not kept:
            return None
        best = self.recorder.run.iterations[kept[-1].number - 1]
        tried = Tried(best.envelope, self.recorder.directory.iteration(best.number) / "predictions")
        return Rival(tried, noise.pooled_seed_std([one.values for one in kept]))

    def _compared(self, candidate: Tried, rival: Rival) -> Comparison:
        """With the incumbent, corrected for as many comparisons as the run may come to make."""
        found = self.laboratory.compare(candidate, rival.tried, "validation", rival.spread)
        made, planned = self.recorder.state.p_values, self.recorder.run.settings.max_iterations - 1
        adjusted = multiple.adjusted((*made, found.p_value), planned)[-1]
        return found.model_copy(update={"adjusted_p_value": adjusted})

    @property
    def _evidence(self) -> Evidence:
        return Evidence(self.recorder.directory.sealed, self.recorder.dataset)

    def _has_room(self) -> bool:
        """For one more candidate under way."""
        run, pending = self.recorder.run, len(self.recorder.state.pending)
        return pending < run.settings.parallel and len(run.iterations) + pending < run.settings.max_iterations

    def _job(self, number: int, digest: str) -> Job:
        source = self.recorder.directory.iteration(number) / "model.py"
        timeout = min(self.recorder.run.settings.timeout_s or float("inf"), self._budget_left_s())
        timeout_s = None if timeout == float("inf") else max(timeout, 1.0)
        return self.laboratory.job(number, source, digest, timeout_s, followed=True)  # by a finalist's, if nothing else

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

    def _budget_left_s(self) -> float:
        """Seconds; infinite without a budget."""
        minutes = self.recorder.run.settings.budget_minutes
        return float("inf") if minutes is None else minutes * 60 - self.recorder.spent_s()

    def _forget_weights(self, number: int, best: Iteration | None, verdict: Verdict) -> None:
        """Keep the incumbent's weights only."""
        if verdict is Verdict.DISCARD:
            self.recorder.directory.drop_weights(number)
        elif best is not None:
            self.recorder.directory.drop_weights(best.number)


def _digests(folder: Path, *names: str) -> dict[str, str]:
    return {name: seal.file_digest(folder / name) for name in names}
