"""The Python of the README, as it stands there, on real rooms; and that every field of a configuration counts."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fumehood import AgentOrchestrator, QuickEvalConfig
from fumehood.journal import fold, read

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(400)]

README = Path(__file__).parents[2] / "README.md"


def test_the_python_of_the_readme_runs_as_it_stands_there(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    printed = []
    for code in re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL):
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        printed.append(done.stdout)
    research, assembly = printed
    assert research.startswith("True {'accuracy': 0.9")
    assert assembly == "template model.py\n"
    left = {path.name for path in tmp_path.iterdir()} - {"state", "model.py"}
    assert [name.startswith("run_") for name in left] == [True]


def test_a_configuration_decides_what_is_trained_and_measured(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    config = QuickEvalConfig(
        dataset_name="digits",
        num_seeds=2,
        subset_size=300,
        epochs=2,
        batch_size=50,
        learning_rate=0.002,
        random_seed=3,
        metrics_to_track=["log loss"],
        enable_confusion_matrix=False,
        confidence_level=0.8,
    )
    found = AgentOrchestrator(max_iterations=1, eval_config=config).run(
        goal="Classify digits", workdir=tmp_path / "run"
    )
    run = fold(read(tmp_path / "run" / "journal.jsonl")).run
    assert found["goal_achieved"] is None
    assert set(found["final_eval"]) == {"accuracy", "log_loss", "undefined", "metric", "interval", "n_seeds", "split"}
    assert run.dataset.facts.rows == 300
    recipes = [seed.train_claims.recipe for seed in run.iterations[0].envelope.seeds]
    assert [(one.epochs, one.batch_size, one.lr) for one in recipes] == [(2, 50, 0.002)] * 2
    slices = [seed.train_claims.train_slice for seed in run.iterations[0].envelope.seeds]
    assert [one.rows for one in slices] == [run.dataset.rows("train")] * 2
    assert all(0 < one.accuracy <= 1 for one in slices)
    assert [seed.seed for seed in run.iterations[0].envelope.seeds] == [12, 13]
    assert (run.final.score.confusion, run.final.score.primary.interval.level) == ((), 0.8)
    assert json.dumps(found)
