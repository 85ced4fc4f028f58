"""What the baselines are worth: scores on validation, the choice of the best one, and its score on the sealed test.

Labels are read by ``evidence`` alone. The test's are used for one baseline, the best on validation, and only where the
run has opened its seal.
"""

from collections.abc import Sequence
from pathlib import Path

from fumehood.baselines.fitting import Fitted
from fumehood.baselines.models import models
from fumehood.baselines.wire import SPLITS, predictions_file
from fumehood.data import seal
from fumehood.evidence import Evidence, Tried
from fumehood.records import BaselineResult, Baselines, Design, SealedBaseline
from fumehood.run_directory import sync
from fumehood.scoring.metrics import METRICS


def judged(fitted: Sequence[Fitted], evidence: Evidence, into: Path, design: Design) -> Baselines:
    """Score on validation what was fitted; the predictions, under ``into``, are on disk when this returns."""
    results = tuple(_judged(one, evidence, into, design) for one in fitted)
    if into.is_dir():
        sync(into)
    return Baselines(results=results, best=best(results))


def measured(chosen: BaselineResult, winner: Tried, evidence: Evidence, into: Path, design: Design) -> SealedBaseline:
    """The best baseline on the sealed test set, compared with the ``winner``. Only for a run whose seal is open."""
    tried = Tried(chosen.envelope("test"), predictions_file(into, chosen.name, "test").parent)
    return SealedBaseline(
        name=chosen.name,
        label=chosen.label,
        score=evidence.score(tried, "test", design),
        comparison=evidence.compare(winner, tried, "test", design, spread=None),
    )


def best(results: Sequence[BaselineResult]) -> str | None:
    """The name of the one with the best mean on validation, of equals the first; None where there is none."""
    scored = [(one.score.primary, one.name) for one in results if one.score is not None]
    if not scored:
        return None
    sign = 1 if scored[0][0].direction == "max" else -1
    return max(scored, key=lambda found: sign * found[0].mean)[1]


def _judged(fitted: Fitted, evidence: Evidence, into: Path, design: Design) -> BaselineResult:
    failure = fitted.failure or _unfit(fitted.name, evidence, design.metric)
    result = BaselineResult(name=fitted.name, label=fitted.label, failure=failure, fit_s=round(fitted.fit_s, 3))
    if failure:
        return result
    digests = {split: seal.file_digest(predictions_file(into, fitted.name, split)) for split in SPLITS}
    result = result.model_copy(update={"digests": digests})
    folder = predictions_file(into, fitted.name, "validation").parent
    score = evidence.score(Tried(result.envelope("validation"), folder), "validation", design)
    return result.model_copy(update={"score": score})


def _unfit(name: str, evidence: Evidence, metric: str) -> str:
    model = next(one for one in models(evidence.dataset.task) if one.name == name)
    return (
        f"gives no probabilities, which {metric} needs" if model.margins and METRICS[metric].needs_probabilities else ""
    )
