"""Research: goal -> plan -> candidate -> rooms -> score -> decision -> next plan -> ... -> the sealed test -> report.

Every step ends with a line in the journal, and begins by looking whether that line is there already; that is all there
is to resuming.
"""

from dataclasses import dataclass

from fumehood import decision, goal, preparation
from fumehood.assembly.author import Author
from fumehood.data import seal
from fumehood.data.shelf import Shelf
from fumehood.errors import EngineError
from fumehood.experience import Experience
from fumehood.finals import Finals
from fumehood.laboratory import Laboratory, warm_rooms
from fumehood.planning.protocol import Planner
from fumehood.progress import Progress
from fumehood.recorder import Recorder
from fumehood.records import Run
from fumehood.sandbox.host import Host
from fumehood.search import Search


@dataclass(frozen=True)
class Research:
    """One run, from wherever its journal stands to its end."""

    recorder: Recorder
    host: Host
    planner: Planner
    author: Author
    experience: Experience
    progress: Progress
    kept: Shelf | None = None
    """Data that were prepared before."""

    def run(self) -> Run:
        """Do everything that is still to be done; returns the finished run."""
        self.progress.run_started(self.recorder.run)
        self.note_image()
        settings = self.recorder.run.settings
        with warm_rooms(self.host, settings.parallel, settings.splits) as pool:
            self.prepare()
            self.expect_defined()
            finals = self.finals
            with self.laboratory.executor(pool) as executor, finals.fitting() as baselines:
                self.search.run(executor)
                finals.run(executor, baselines)
        self.finish()
        return self.recorder.run

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
        key = seal.known_key(self.recorder.directory.sealed)
        sealed = self.recorder.directory.fresh(self.recorder.directory.sealed)
        done = preparation.prepare(
            self.host,
            sealed,
            run.settings.data,
            run.settings.split_seed,
            run.settings.subset,
            run.settings.splits,
            key=key,
            kept=self.kept,
        )
        dataset = done.dataset
        if done.kept_since:
            self.progress.note(preparation.told_of_kept(done.kept_since))
        draft = run.settings.draft or goal.parse(
            run.settings.goal.text, data=run.settings.data, metric=run.settings.metric, target=run.settings.target
        )
        self.recorder.note(
            "data_prepared",
            dataset=dataset,
            goal=goal.complete(draft, dataset.task),
            room=done.room,
            kept_since=done.kept_since,
            order_key_digest=seal.file_digest(sealed / seal.KEY),
        )

    def expect_defined(self) -> None:
        """The metrics can be measured where the run will need them, or a UsageError says why not.

        Before any candidate is tried: found out after the search, it would have cost the search and the seal's opening.
        """
        self.laboratory.expect_defined("validation", "test")

    def finish(self) -> None:
        """Put the winner where users look for it, and write the reports."""
        run = self.recorder.run
        if run.winner is not None:
            self.recorder.directory.keep_winner(run.winner)
        achieved = decision.goal_achieved(run.final.score, run.settings.goal) if run.final else None
        if run.final is None and run.settings.goal.target is not None:
            achieved = False
        self.remember()
        self.recorder.note("finished", goal_achieved=achieved)
        self.recorder.report()
        if not run.settings.keep:
            self.recorder.directory.keep_results_only()
        self.progress.finished(self.recorder.run, self.recorder.directory.path)

    def remember(self) -> None:
        """Give the memory what the run found out; the sealed test is no part of that."""
        run = self.recorder.run
        if run.settings.memory is None or run.remembered is not None:
            return
        done = self.experience.keep(run, self.recorder.directory.insights())
        if done is None:
            return
        if done.trouble:
            self.progress.note(f"What was found out is in the run's memori/insights.jsonl only: {done.trouble}")
        self.recorder.note("remembered", remembered=done)

    # -- what the steps need --

    @property
    def search(self) -> Search:
        return Search(self.recorder, self.laboratory, self.planner, self.author, self.experience, self.progress)

    @property
    def finals(self) -> Finals:
        return Finals(self.recorder, self.laboratory, self.progress)

    @property
    def laboratory(self) -> Laboratory:
        """Where this run's candidates are tried, once its data are prepared."""
        directory, run = self.recorder.directory, self.recorder.run
        dataset, design = self.recorder.dataset, run.settings.design
        return Laboratory(self.host, directory.sealed, directory.sealed / "scratch", dataset, design, self.progress)
