"""Files of a run against the digests in its journal."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fumehood.audit.findings import Finding, Group, differs, not_checked, same
from fumehood.data import seal
from fumehood.executors.folded import weights_files
from fumehood.journal import State
from fumehood.records import Dataset, Envelope, SeedResult
from fumehood.text import plain
from fumehood.tree import Missing, Tree, Unusable
from fumehood_shared import caps, paths

_SMALL = 64 * caps.MIB
"""More than any plan, outcome, log or key has."""
_RECORDS = ("plan.json", "outcome.json", "room.log")
_LARGEST = 64 * 1024 * caps.MIB
_NO_KEEP = "removed, as --no-keep asked"
_ARRAY_NAME = 40


@dataclass(frozen=True)
class Candidate:
    """An iteration, or as much of one as the journal has."""

    number: int
    source_digest: str
    files: dict[str, str]
    envelope: Envelope | None


@dataclass(frozen=True)
class Files:
    tree: Tree
    state: State
    complete: bool
    """False: the journal is broken, and later lines may speak of more."""

    def check(self) -> Iterator[Finding]:
        for candidate in self._candidates():
            yield from self._candidate(candidate)
        yield from self._finalists()
        yield from self._strangers()
        yield from self._data()
        yield from self._winner()

    # -- candidates --

    def _candidates(self) -> Iterator[Candidate]:
        for done in self.state.run.iterations:
            yield Candidate(done.number, done.source_digest, done.files, done.envelope)
        for begun in (*self.state.abandoned, *self.state.pending):
            yield Candidate(begun.number, begun.source_digest, begun.files, begun.envelope)

    def _candidate(self, candidate: Candidate) -> Iterator[Finding]:
        folder = _folder(candidate.number)
        yield self._file(Group.SOURCE, f"{folder}/model.py", candidate.source_digest, _SMALL)
        for name in _RECORDS:
            if name in candidate.files:
                yield self._file(Group.RECORDS, f"{folder}/{name}", candidate.files[name], _SMALL)
            elif candidate.envelope or name == _RECORDS[0]:
                yield not_checked(Group.RECORDS, f"{folder}/{name}", "the journal of that version holds no digest")
        if candidate.envelope is None:
            return
        if candidate.envelope.source_digest != candidate.source_digest:
            yield differs(Group.SOURCE, f"{folder}/model.py", "the source evaluated is not the one proposed")
        yield from self._predictions(f"{folder}/predictions", candidate.envelope, "validation")
        yield from self._weights(f"{folder}/weights", candidate)

    def _predictions(self, folder: str, envelope: Envelope, split: str) -> Iterator[Finding]:
        dataset = self.state.run.dataset
        targets = dataset.arrays.get(f"{split}_targets") if dataset else None
        for seed in envelope.seeds:
            name = f"{folder}/seed-{seed.seed}.bin"
            if seed.predictions_digest and dataset and targets:
                size = targets.shape[0] * dataset.num_outputs * 4
                yield self._file(Group.PREDICTIONS, name, seed.predictions_digest, size, exact=True)
            elif seed.predictions_digest:
                yield differs(Group.PREDICTIONS, name, f"the journal knows no {split} rows that were predicted")

    def _weights(self, folder: str, candidate: Candidate) -> Iterator[Finding]:
        """Only the incumbent's are kept, and those of candidates that are not decided yet."""
        undecided = (begun.number for begun in self.state.pending)
        kept = self.complete and candidate.number in (self.state.run.incumbent, *undecided)
        for name, model, digest in _weighty(candidate.envelope, folder):
            if kept or self.tree.has(name):
                yield self._file(Group.WEIGHTS, name, digest, _weights_size(model))
            else:
                yield not_checked(Group.WEIGHTS, name, "only those of the best candidate are kept")

    def _finalists(self) -> Iterator[Finding]:
        """What they brought on fresh seeds; the weights of those that lost are not kept."""
        run = self.state.run
        for one in run.remeasured:
            folder = f"{_folder(one.iteration)}/fresh"
            yield from self._predictions(f"{folder}/predictions", one.envelope, "validation")
            for name, model, digest in _weighty(one.envelope, f"{folder}/weights"):
                if self.tree.has(name) or (self.complete and one.iteration == run.winner):
                    yield self._file(Group.WEIGHTS, name, digest, _weights_size(model))
                else:
                    yield not_checked(Group.WEIGHTS, name, "only those of the winner are kept")

    def _strangers(self) -> Iterator[Finding]:
        """Folders of iterations that the journal does not know: it was cut, or somebody put them there."""
        if not self.complete:
            return
        known = {_folder(candidate.number).rpartition("/")[2] for candidate in self._candidates()}
        following = _folder(len(known) + 1)
        for name in self.tree.names("iterations"):
            begun = f"iterations/{name}" == following and self.state.run.finished_at is None
            # A run that is killed while it proposes leaves source and plan that the journal does not mention yet.
            if name not in known and not (begun and not self.tree.has(f"{following}/predictions")):
                yield differs(
                    Group.JOURNAL, f"iterations/{plain(name, 100)}", "is there, and no line of the journal speaks of it"
                )

    # -- data and winner --

    def _data(self) -> Iterator[Finding]:
        dataset, prepared = self.state.run.dataset, self.state.prepared
        if dataset is None or prepared is None:
            return
        for name in sorted(dataset.arrays.keys() | dataset.digests.keys()):
            yield self._array(dataset, name)
        if prepared.order_key_digest is None:
            yield not_checked(Group.DATA, f"sealed/{seal.KEY}", "the journal of that version holds no digest")
        else:
            yield self._file(Group.DATA, f"sealed/{seal.KEY}", prepared.order_key_digest, _SMALL)
        if self.state.test_envelope is not None:
            yield from self._predictions("sealed/final/predictions", self.state.test_envelope, "test")
        for one in self.state.run.baselines.results if self.state.run.baselines else ():
            for split in one.digests:
                yield from self._predictions(f"sealed/baselines/{one.name}/{split}", one.envelope(split), split)

    def _array(self, dataset: Dataset, name: str) -> Finding:
        file = f"sealed/{paths.array_file(name)}"
        if not name.isidentifier() or len(name) > _ARRAY_NAME:
            return differs(Group.DATA, file, "the journal names an array as no run does")
        if name not in dataset.digests or name not in dataset.arrays:
            return differs(Group.DATA, file, "the journal holds no digest, or no shape, of it")
        return self._file(Group.DATA, file, dataset.digests[name], dataset.arrays[name].nbytes, exact=True)

    def _winner(self) -> Iterator[Finding]:
        """Put in its place just before the run ends."""
        run = self.state.run
        winner = run.best()
        if winner is None or run.finished_at is None:
            return
        yield self._file(Group.SOURCE, "src/models/model.py", winner.source_digest, _SMALL)
        for name, model, digest in _weighty(run.winning() or winner.envelope, "weights"):
            yield self._file(Group.WEIGHTS, name, digest, _weights_size(model))

    def _file(self, group: Group, name: str, digest: str, size: int, *, exact: bool = False) -> Finding:
        if size > _LARGEST:
            return not_checked(group, name, "has more than 64 GiB, if the journal is right")
        try:
            found = self.tree.digest(name, size, exact=exact)
        except Missing as error:
            folder = name.partition("/")[0]
            if not self.state.run.settings.keep and folder in ("iterations", "sealed") and not self.tree.has(folder):
                return not_checked(group, name, _NO_KEEP)
            return differs(group, name, str(error))
        except Unusable as error:
            return differs(group, name, str(error))
        return same(group, name) if found == digest else differs(group, name, "is not what the journal says")


def _folder(number: int) -> str:
    return f"iterations/{number:03d}"


def _weighty(envelope: Envelope | None, folder: str) -> Iterator[tuple[str, SeedResult, str]]:
    """Files of weights that seeds left in ``folder``, each with whose they are, and their digest."""
    for seed in envelope.seeds if envelope else ():
        for path, model in weights_files(Path(folder), seed):
            if model.weights_digest:
                yield path.as_posix(), model, model.weights_digest


def _weights_size(model: SeedResult) -> int:
    """At most: length and header, and four bytes a parameter as they were counted from the file."""
    return 8 + caps.SAFETENSORS_HEADER_BYTES + 4 * ((model.parameters or 0) + 1)
