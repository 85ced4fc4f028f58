"""The search: propose, evaluate in rooms, score, keep or discard; until a decision stops it, or nothing is proposed.

Every step ends with a line in the journal, and begins by looking whether that line is there already. What is proposed
and decided does not depend on which of the candidates under way is ready first: decisions come in the order of their
numbers, and the next candidate is proposed when the first of those under way is decided, not before.
"""

import hashlib
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fumehood import decision, text
from fumehood.assembly.author import Author
from fumehood.data import seal
from fumehood.errors import BudgetError, InternalError, LlmError, UnusableAnswerError
from fumehood.evidence import Tried
from fumehood.executors import Executor, Job
from fumehood.executors.parallel import Tasks
from fumehood.experience import Experience
from fumehood.journal import Pending
from fumehood.laboratory import Laboratory
from fumehood.planning import phases
from fumehood.planning.occasions import occasion
from fumehood.planning.protocol import Planner
from fumehood.progress import Progress
from fumehood.recorder import Recorder
from fumehood.records import Comparison, Envelope, Iteration, Phase, Plan, Verdict
from fumehood.records.insight import Recollection
from fumehood.run_directory import sync, write_text
from fumehood.scoring import multiple, noise
from fumehood.trial import Rival, trial

UNUSABLE = 3
"""So many proposals in a row that cannot be used end the search."""

Evaluations = Tasks[int, Envelope]
"""Under way, by the number of the candidate."""


@dataclass(frozen=True)
class Search:
    """One run's search, from wherever its journal stands."""

    recorder: Recorder
    laboratory: Laboratory
    planner: Planner
    author: Author
    experience: Experience
    progress: Progress

    def run(self, executor: Executor) -> None:
        """Candidates, as many at once as was asked for, until it stops; what is under way then is given up."""
        with Evaluations(self.recorder.run.settings.parallel, executor.abandon) as evaluations:
            while self.recorder.run.stopped_because is None:
                self.step(executor, evaluations)
        self.abandon()

    def step(self, executor: Executor, evaluations: Evaluations) -> None:
        """One iteration: propose what there is room for, evaluate, decide the first."""
        self.begin(executor, evaluations)
        while self._has_room() and self.propose():
            self.begin(executor, evaluations)
        if self.recorder.run.stopped_because is not None:
            return
        if not self.recorder.state.pending:
            self.recorder.note("exhausted")
            return
        while self.recorder.state.pending[0].envelope is None:
            self.keep(*evaluations.ended())
        self.decide(self.recorder.state.pending[0])

    def propose(self) -> bool:
        """Ask the planner, and write the candidate's source; False if there is nothing more to propose."""
        try:
            found = self._proposal()
        except BudgetError as error:
            if not self.recorder.state.pending:  # what is under way was paid for
                self.progress.note(error.what)
                self.recorder.note("out_of_budget")
            return False
        if found is None:
            return False
        plan, source = found
        number = len(self.recorder.run.iterations) + len(self.recorder.state.pending) + 1
        folder = self.recorder.directory.fresh(self.recorder.directory.iteration(number))
        write_text(folder / "model.py", source)
        write_text(folder / "plan.json", text.json_document(plan.model_dump(mode="json")))
        sync(folder)
        digest = hashlib.sha256(source.encode()).hexdigest()
        files = _digests(folder, "plan.json")
        self.recorder.note("proposed", number=number, plan=plan, source_digest=digest, files=files)
        return True

    def begin(self, executor: Executor, evaluations: Evaluations) -> None:
        """Begin to evaluate what is proposed and not under way; a source is never run twice."""
        earlier: set[str] = set()
        for pending in self.recorder.state.pending:
            if pending.envelope is None and pending.number not in evaluations and pending.source_digest not in earlier:
                known = self._tried_before(pending.source_digest)
                if known is None:
                    self.evaluate(executor, evaluations, pending)
                else:
                    self.repeat(pending, known)
            earlier.add(pending.source_digest)

    def evaluate(self, executor: Executor, evaluations: Evaluations, pending: Pending) -> None:
        """Begin to train and predict in rooms."""
        self.progress.iteration_started(pending.number, pending.plan)
        folder = self.recorder.directory.iteration(pending.number)
        for name in ("weights", "predictions"):
            self.recorder.directory.fresh(folder / name)
        job, rival = self._job(pending.number, pending.source_digest), self._rival(pending.decided)
        evaluations.start(pending.number, partial(trial, executor, self.laboratory, job, folder, rival))

    def repeat(self, pending: Pending, known: Iteration) -> None:
        """Take over what came of the same source before: the same seeds in the same orders would give it again."""
        self.progress.iteration_started(pending.number, pending.plan)
        directory = self.recorder.directory
        folder, before = directory.iteration(pending.number), directory.iteration(known.number) / "predictions"
        if before.is_dir():
            shutil.copytree(before, directory.fresh(folder / "predictions"), dirs_exist_ok=True)
        self.keep(pending.number, known.envelope.model_copy(update={"repeats": known.number}))

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
        rival = None if envelope.repeats else self._rival(len(run.iterations))
        verdict = decision.decide(
            measured,
            best.score if best else None,
            run.settings.goal,
            envelope=envelope,
            comparison=self._compared(Tried(envelope, predictions), rival) if measured and rival else None,
            spread=rival.spread if rival else None,
            iteration=pending.number,
            max_iterations=run.settings.max_iterations,
            budget_left=self.recorder.time_left_s() > 0,
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

    # -- what the steps need --

    def _proposal(self) -> tuple[Plan, str] | None:
        """A plan and its source; what cannot be used is asked for again, a few times.

        Raises LlmError where a language model gives nothing usable, and BudgetError where asking costs too much.
        """
        self._look_back()
        goal, dataset = self.recorder.run.settings.goal, self.recorder.dataset
        looks = self.recorder.run.recollections
        recalled = list({found.insight.id: found for look in looks for found in look.recalled}.values())
        history, pending = self.recorder.run.iterations, [begun.plan for begun in self.recorder.state.pending]
        for attempt in range(1, UNUSABLE + 1):
            phase = phases.phase(history, self.recorder.run.settings.max_iterations)
            self.progress.stage("planning" if phase is Phase.PLANNING else f"planning ({phase.value})")
            try:
                plan = self.planner.propose(goal, dataset, history, pending, recalled)
                return None if plan is None else (plan, self.author.write(plan, goal, dataset, history))
            except UnusableAnswerError as error:
                if attempt == UNUSABLE:
                    raise LlmError(
                        f"{UNUSABLE} proposals in a row could not be used; the last: {error.what}",
                        "use another model, or --planner search",
                    ) from error
                self.progress.note(f"A proposal could not be used, and another one is asked for: {error.what}")
        raise InternalError("proposals were neither used nor given up")

    def _look_back(self) -> None:
        """Look into the memory where that may help; what was found once stays in the journal, and with the run."""
        run = self.recorder.run
        number = len(run.iterations) + len(self.recorder.state.pending) + 1
        why = occasion(run, number) if run.settings.memory else ""
        if not why:
            return
        phase = phases.phase(run.iterations, run.settings.max_iterations)
        recalled, trouble = self.experience.recall(run.settings.goal, self.recorder.dataset, phase, why)
        if trouble:
            self.progress.note(f"Research goes on without memory: {trouble}")
        looked = Recollection(number=number, phase=phase, why=why, recalled=tuple(recalled), trouble=trouble)
        self.recorder.note("recalled", recollection=looked)

    def _tried_before(self, digest: str) -> Iteration | None:
        """The iteration that tried this very source first."""
        sources = self.recorder.state.sources
        return self.recorder.run.iterations[sources.index(digest)] if digest in sources else None

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

    def _has_room(self) -> bool:
        """For one more candidate under way."""
        run, pending = self.recorder.run, len(self.recorder.state.pending)
        return pending < run.settings.parallel and len(run.iterations) + pending < run.settings.max_iterations

    def _job(self, number: int, digest: str) -> Job:
        source = self.recorder.directory.iteration(number) / "model.py"
        timeout = min(self.recorder.run.settings.timeout_s or float("inf"), self.recorder.time_left_s())
        timeout_s = None if timeout == float("inf") else max(timeout, 1.0)
        return self.laboratory.job(number, source, digest, timeout_s, followed=True)  # by a finalist's, if nothing else

    def _forget_weights(self, number: int, best: Iteration | None, verdict: Verdict) -> None:
        """Keep the incumbent's weights only."""
        if verdict is Verdict.DISCARD:
            self.recorder.directory.drop_weights(number)
        elif best is not None:
            self.recorder.directory.drop_weights(best.number)


def _digests(folder: Path, *names: str) -> dict[str, str]:
    return {name: seal.file_digest(folder / name) for name in names}
