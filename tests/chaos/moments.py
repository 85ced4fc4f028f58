"""Moments in the life of a run, recognised from its journal and from what the engine tells as it happens."""

from chaos.ear import Ear
from chaos.runs import Run, kinds

STAGES = (
    "starting", "preparing", "data_prepared", "training", "predicting", "decided", "second training",
    "second predicting", "fresh training", "fresh predicting", "sealed measurement", "report",
)  # fmt: skip
"""In the order in which a run passes them."""
LONGEST_S = 0.25
"""A stage's random moments lie up to this long after it was reached: a tiny candidate's job takes about as long."""
_EVALUATIONS = {"training": 0, "predicting": 0, "second training": 1, "second predicting": 1}
_LINES = {"starting": "started", "data_prepared": "data_prepared", "decided": "decided", "report": "measured"}


def is_past(run: Run, stage: str) -> bool:
    """Whether a blow at this stage makes no sense any more, because an earlier one came late."""
    seen = kinds(run.folder)
    if stage in ("starting", "preparing"):
        return "data_prepared" in seen
    if stage in _EVALUATIONS:
        return seen.count("evaluated") > _EVALUATIONS[stage]
    if stage.startswith("fresh"):
        return "remeasured" in seen
    return {"sealed measurement": "test_predicted", "report": "finished"}.get(stage, stage) in seen


def reached(ear: Ear, run: Run, stage: str) -> bool:
    """Whether the run, started after the ear was made, has come to ``stage``, or in a room to its job."""
    seen = kinds(run.folder)
    if stage in _LINES:
        return _LINES[stage] in seen
    role = "prepare" if stage == "preparing" else "train" if stage.endswith("training") else "predict"
    if stage in _EVALUATIONS and (seen[-1:] != ["proposed"] or seen.count("evaluated") != _EVALUATIONS[stage]):
        return False
    if stage.startswith("fresh") and (seen.count("decided") < run.iterations or "remeasured" in seen):
        return False
    if stage == "sealed measurement" and "settled" not in seen:
        return False
    return ear.working(role, run.id) > 0
