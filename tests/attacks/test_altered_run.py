"""The sealed measurement: with seeds that failed, and with files that were changed behind the journal's back."""

from pathlib import Path

import pytest

from attacks.candidates import BUILD, HEAD, Attempt, Begin
from fumehood.errors import UsageError

pytestmark = [pytest.mark.attacks, pytest.mark.integration, pytest.mark.slow]


def test_a_winner_is_measured_as_it_was_judged_by_what_the_journal_names(begin: Begin, attempt: Attempt) -> None:
    research, executor = begin(3)
    source = f"{HEAD}{BUILD}def train(model, data, context):\n    assert context.seed not in (1, 4)\n"
    envelope = attempt(research, executor, source)
    assert [seed.failure is None for seed in envelope.seeds] == [True, False, True]
    research.finals.remeasure(executor)
    (again,) = research.recorder.run.remeasured
    assert [seed.failure is None for seed in again.envelope.seeds] == [True, False, True]
    folder, weights = research.recorder.directory.iteration(1), research.recorder.directory.again(1) / "weights"
    for changed, into in (
        (folder / "model.py", source.encode() + b"\n"),
        (weights / "seed-3.safetensors", (weights / "seed-5.safetensors").read_bytes()),
    ):
        refused_when_changed(changed, into, lambda: research.finals.measure(executor))
    assert research.recorder.run.final is None
    assert research.recorder.state.opening is None, "nothing that was refused opened the seal"

    research.finals.measure(executor)
    final = research.recorder.run.final
    assert final is not None
    assert (final.score.n_seeds, final.score.failed_seeds) == (3, 1)
    assert final.score.primary.values[1] == final.score.baseline


def refused_when_changed(path: Path, into: bytes, action: object) -> None:
    before = path.read_bytes()
    path.write_bytes(into)
    assert callable(action)
    with pytest.raises(UsageError, match="not what the journal says"):
        action()
    path.write_bytes(before)
