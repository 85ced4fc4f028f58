"""A check: one candidate file, tried in rooms as research tries its own, and judged against a minimum score.

Everything that can be refused is refused before a room is opened. The candidate passes if one seed at least gave
predictions and, where there is a minimum, the confidence bound reaches it; a mean alone never does. Validation rows
judge it, unless the sealed test split is asked for, whose opening is numbered in the user's ledger as a run's is.
"""

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from fumehood import decision, floor, goal, literals, policy, preparation, text
from fumehood.candidate import Candidate
from fumehood.data import catalog, folds, shelf, specs
from fumehood.data.shelf import Shelf
from fumehood.errors import BudgetError, EngineError, FumehoodError, HostileOutputError, UsageError
from fumehood.laboratory import Laboratory, warm_rooms
from fumehood.policy import Policy
from fumehood.progress import Progress
from fumehood.records import Design, Envelope, Goal, GoalDraft, Record, Score
from fumehood.report import words
from fumehood.run_directory import write_text
from fumehood.sandbox import gpus
from fumehood.sandbox.host import Host, open_host
from fumehood.sandbox.pool import Pool
from fumehood.scoring.metrics import find
from fumehood.verdicts import format_named
from fumehood.verdicts.checked import EXIT_CODES, Checked, CheckVerdict, Rejection, Stopped, rejections
from fumehood_shared.messages import FailureKind, Task

_NUMBER = 0
"""Of the only candidate there is."""


class CheckSettings(Record):
    """What the user asked for."""

    data: str
    policy: str
    metric: str | None = None
    minimum: float | None = None
    """As written: 95 and 0.95 are the same accuracy."""
    num_seeds: int
    seed: int
    split_seed: int
    subset: int | None = None
    """As in ``RunSettings``."""
    splits: str = folds.HOLDOUT
    """Likewise."""
    gpus: str | None = None
    """The value of ``--gpus``; None leaves it to the policy."""
    timeout_s: float | None = None
    budget_minutes: float | None = None
    final: bool = False
    """Score on the sealed test split instead of on validation."""
    confidence_level: float = 0.95


def check(asked: CheckSettings, candidate: Candidate, workdir: Path | None, progress: Progress) -> Checked:
    """Try ``candidate``. ``workdir``: new folder that keeps everything; None keeps nothing.

    Raises UsageError for what cannot be used. What stops a check later is in the verdict, and not raised.
    """
    limits = floor.enforce(policy.load(asked.policy), floor.read())
    if asked.gpus is not None:
        gpus.parse(asked.gpus)
    _expect_usable(asked, specs.parse(asked.data, int(limits.raw_data)))
    kept = shelf.own()
    with _folder(workdir) as folder:
        found = Check(asked, candidate, limits, folder, progress, kept).run()
        if workdir is not None:
            with (folder / "verdict.json").open("w", encoding="ascii") as file:
                format_named("json").write(found, file)
    return found


def _expect_usable(asked: CheckSettings, spec: specs.DataSpec) -> None:
    """Folds, metric and minimum, as far as they can be judged before the data are read."""
    folds.expect_possible(asked.splits, spec)
    entry = None if spec.files else catalog.find(spec.text.strip())
    if entry is not None:
        _goal(asked, entry.task)
    elif asked.metric is not None:
        _goal(asked, find(asked.metric).task)


def _goal(asked: CheckSettings, task: Task) -> Goal:
    """The minimum score as a goal. Raises UsageError for a metric of another task, or a minimum it cannot take."""
    metric = find(asked.metric).name if asked.metric else None
    return goal.complete(GoalDraft(text="pass the check", metric=metric, target=asked.minimum), task)


@contextmanager
def _folder(workdir: Path | None) -> Iterator[Path]:
    """A private folder that is removed at the end, however it comes, or the new one that the user named."""
    if workdir is None:
        with TemporaryDirectory(prefix="fumehood-check-") as name:
            yield Path(name)
        return
    try:
        if workdir.exists() and (not workdir.is_dir() or any(workdir.iterdir())):
            raise UsageError(f"{workdir} exists already and is not an empty directory", "give another --workdir")
        workdir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{workdir} cannot be written: {error.strerror}", "give another --workdir") from error
    yield workdir.resolve()


@dataclass
class Check:
    """One check on its way; what is found is added step by step, so that a stopped check still tells it."""

    asked: CheckSettings
    candidate: Candidate
    policy: Policy
    folder: Path
    progress: Progress
    kept: Shelf | None
    """Data that were prepared before."""
    found: Checked = field(init=False)
    _started: float = field(init=False, default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.found = Checked(
            verdict=CheckVerdict.ENGINE,
            candidate=self.candidate,
            data=self.asked.data,
            policy=self.policy.name,
            isolated=self.policy.isolate_seeds or self.asked.num_seeds == 1,
            flags=literals.flags(self.candidate.source),
            wall_s=0.0,
        )

    def run(self) -> Checked:
        try:
            run_id = f"check_{secrets.token_hex(8)}"
            uuids = gpus.resolve(self.asked.gpus, self.policy)
            with (
                self.progress,
                open_host(self.policy, run_id, uuids=uuids) as host,
                warm_rooms(host, splits=self.asked.splits) as pools,
            ):
                self._try(host, pools, run_id)
        except (HostileOutputError, BudgetError, EngineError) as error:
            self._stopped(error)
        except OSError as error:
            self._stopped(EngineError(f"the system refused: {error}", "make room, or give permission"), kind="storage")
        self._note(wall_s=time.monotonic() - self._started)
        return self.found

    # -- the steps --

    def _try(self, host: Host, pools: Sequence[Pool], run_id: str) -> None:
        """Prepare the data, evaluate the candidate, measure it, judge."""
        self._note(image=host.images.sandbox)
        self.progress.stage("Preparing the data")
        sealed = self.folder / "sealed"
        asked = self.asked
        done = preparation.prepare(
            host, sealed, asked.data, asked.split_seed, asked.subset, asked.splits, kept=self.kept
        )
        dataset = done.dataset
        if done.kept_since:
            self.progress.note(preparation.told_of_kept(done.kept_since))
        wanted = _goal(self.asked, dataset.task)
        self._note(dataset=dataset, prepared=done.room, kept_since=done.kept_since, goal=wanted)
        laboratory = Laboratory(host, sealed, sealed / "scratch", dataset, self._design(host, wanted), self.progress)
        laboratory.expect_defined("test" if asked.final else "validation")
        envelope = self._evaluate(laboratory, pools)
        self._note(envelope=envelope)
        self._expect_in_budget(envelope)
        self._judge(envelope, self._measure(laboratory, envelope, run_id), wanted)

    def _design(self, host: Host, wanted: Goal) -> Design:
        asked = self.asked
        return Design(
            metric=wanted.metric,
            seeds=Design.repetitions(asked.seed, asked.num_seeds),
            confidence_level=asked.confidence_level,
            device="cuda" if host.grant else "cpu",
        )

    def _evaluate(self, laboratory: Laboratory, pools: Sequence[Pool]) -> Envelope:
        """Train every seed, and predict the validation inputs or, if asked for, the test inputs."""
        source = self.folder / "model.py"
        source.write_bytes(self.candidate.content)
        job = laboratory.job(_NUMBER, source, self.candidate.digest, self._timeout_s())
        with laboratory.executor(pools) as executor:
            self.progress.stage(f"Training {words.counted(len(job.seeds), 'seed')} of {self.candidate.path}")
            envelope = executor.evaluate(job, self.folder)
            if self.asked.final and envelope.failure is None:
                self.progress.stage("Predicting the sealed test inputs")
                into = self.folder / "sealed" / "final"
                tested = laboratory.predict_test(executor, job, envelope, self.folder / "weights", into)
                envelope = _both(envelope, tested)
        write_text(self.folder / "outcome.json", envelope.model_dump_json(indent=2))
        write_text(self.folder / "room.log", text.block(envelope.log_tail))
        return envelope

    def _measure(self, laboratory: Laboratory, envelope: Envelope, run_id: str) -> Score | None:
        if envelope.failure is not None:
            return None
        self.progress.stage("Scoring")
        if not self.asked.final:
            return laboratory.score(envelope, self.folder / "predictions", "validation")
        self._note(opening=laboratory.open_seal(run_id))
        return laboratory.score(envelope, self.folder / "sealed" / "final" / "predictions", "test")

    def _judge(self, envelope: Envelope, score: Score | None, wanted: Goal) -> None:
        below = (_below(score, wanted),) if score and decision.goal_achieved(score, wanted) is False else ()
        self._note(
            verdict=_verdict(envelope, below=bool(below)),
            score=score,
            rejections=(*rejections(envelope, self.candidate), *below),
        )

    # -- what the steps need --

    def _note(self, **changes: object) -> None:
        self.found = self.found.model_copy(update=changes)

    def _timeout_s(self) -> float | None:
        """Seconds for a train room where they are fewer than the policy's."""
        limits = [self.asked.timeout_s, self._budget_left_s()]
        return min((limit for limit in limits if limit is not None), default=None)

    def _budget_left_s(self) -> float | None:
        if self.asked.budget_minutes is None:
            return None
        left = self.asked.budget_minutes * 60 - (time.monotonic() - self._started)
        if left <= 0:
            raise BudgetError(f"the budget of {self.asked.budget_minutes:g} minutes is used up", "give a larger one")
        return left

    def _expect_in_budget(self, envelope: Envelope) -> None:
        """Raise BudgetError if seeds ran out of time because the budget did: that is not the candidate's failure."""
        if any(s.failure and s.failure.kind is FailureKind.TIMEOUT for s in envelope.seeds):
            self._budget_left_s()

    def _stopped(self, error: FumehoodError, kind: str = "") -> None:
        why = Stopped(kind=kind or error.kind, message=error.what, hint=error.hint)
        verdict = next(verdict for verdict, code in EXIT_CODES.items() if code == error.exit_code)
        self._note(verdict=verdict, stopped=why, rejections=(Rejection(kind=why.kind, reason=why.message),))


def _both(evaluated: Envelope, tested: Envelope) -> Envelope:
    """The predictions of the test inputs, with what the candidate's training showed."""
    told = {seed.seed: seed for seed in evaluated.seeds}
    kept = ("weights_digest", "parameters", "train_claims", "folds")
    seeds = tuple(
        seed.model_copy(update={name: getattr(told[seed.seed], name) for name in kept}) for seed in tested.seeds
    )
    return evaluated.model_copy(update={"seeds": seeds, "rooms": (*evaluated.rooms, *tested.rooms)})


def _verdict(envelope: Envelope, *, below: bool) -> CheckVerdict:
    """One seed with hostile output is enough; a seed that failed otherwise counts as the baseline."""
    kinds = {seed.failure.kind for seed in envelope.seeds if seed.failure}
    if FailureKind.HOSTILE_OUTPUT in kinds:
        return CheckVerdict.POLICY_VIOLATION
    if envelope.failure is not None:
        return CheckVerdict.CANDIDATE_FAILED
    return CheckVerdict.BELOW_MINIMUM if below else CheckVerdict.PASSED


def _below(score: Score, wanted: Goal) -> Rejection:
    bound = decision.confidence_bound(score.primary)
    shown = "not defined" if bound is None else f"{bound:.4g}"
    verb = "at least" if wanted.direction == "max" else "at most"
    reason = (
        f"the confidence bound of {score.metric} on {score.split} is {shown}, and is to be {verb} {wanted.target:.4g}; "
        f"the mean is {score.primary.mean:.4g}"
    )
    return Rejection(kind=CheckVerdict.BELOW_MINIMUM.value, reason=reason)
