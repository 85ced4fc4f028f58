"""The Python API: every field of a configuration arrives where it counts, and nothing is loaded before it is used."""

import subprocess
import sys

import pytest

from fakes.llm_server import scripted
from fumehood import (
    AgentOrchestrator,
    ManualMemoryContextManager,
    QuickEvalConfig,
    api,
    assemble_from_config,
    session,
)
from fumehood.errors import UsageError
from fumehood.records import RunSettings

pytestmark = pytest.mark.unit


class Asked(BaseException):
    """Instead of a run: what it would have been told."""

    def __init__(self, settings: RunSettings, workdir: str | None) -> None:
        self.settings, self.workdir = settings, workdir


@pytest.fixture
def asked(monkeypatch):
    def start(settings, workdir, progress, means):
        raise Asked(settings, workdir)

    monkeypatch.setattr(session, "start", start)

    def ask(config=None, goal="Classify digits", **options) -> Asked:
        with pytest.raises(Asked) as caught:
            AgentOrchestrator(eval_config=config, **options).run(goal=goal, workdir="x", keep_artifacts=False)
        return caught.value

    return ask


def test_every_field_of_a_configuration_becomes_a_setting_of_the_run(asked):
    config = QuickEvalConfig(
        dataset_name="digits",
        num_seeds=5,
        subset_size=500,
        epochs=4,
        batch_size=32,
        learning_rate=0.01,
        random_seed=7,
        target_accuracy=95,
        metrics_to_track=["AUC", "f1_macro"],
        enable_confusion_matrix=False,
        confidence_level=0.9,
    )
    found = asked(config, max_iterations=3, parallel=2)
    settings = found.settings
    assert (settings.data, settings.num_seeds, settings.subset, settings.seed) == ("digits", 5, 500, 7)
    assert settings.overrides == {"epochs": 4, "batch_size": 32, "lr": 0.01}
    assert (settings.metrics, settings.by_class) == (("roc_auc", "f1_macro"), False)
    assert (settings.target, settings.confidence_level) == (95, 0.9)
    assert (settings.max_iterations, settings.parallel, settings.keep, found.workdir) == (3, 2, False, "x")
    design = settings.design
    assert (design.metrics, design.by_class, design.confidence_level) == (("roc_auc", "f1_macro"), False, 0.9)


def test_what_is_not_said_is_as_on_the_command_line(asked):
    settings = asked(goal="Classify digits with >95% accuracy").settings
    assert (settings.data, settings.num_seeds, settings.max_iterations) == ("digits", 3, 10)
    assert (settings.metrics, settings.by_class, settings.overrides) == (None, True, {})


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"num_seeds": 0}, "num_seeds"),
        ({"num_seeds": "three"}, "num_seeds"),
        ({"confidence_level": 1.0}, "confidence_level"),
        ({"confidence_level": float("nan")}, "confidence_level"),
        ({"learning_rate": 1e6}, "lr"),
        ({"subset_size": 3}, "subset_size"),
        ({"data_set": "digits"}, "unknown key"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused_by_name(wrong, named):
    with pytest.raises(UsageError, match=named):
        QuickEvalConfig(**wrong)


def test_a_metric_that_there_is_not_is_refused_before_anything_is_made(asked, tmp_path):
    with pytest.raises(UsageError, match="no metric named 'beauty'"):
        AgentOrchestrator(eval_config=QuickEvalConfig(metrics_to_track=["beauty"])).run(goal="Classify digits")


def test_no_iterations_are_refused():
    with pytest.raises(UsageError, match="max_iterations") as refused:
        AgentOrchestrator(max_iterations=0)
    assert refused.value.hint


def test_the_package_offers_these_names_and_loads_them_late():
    code = (
        "import sys, fumehood; early = 'fumehood.api' in sys.modules; fumehood.QuickEvalConfig();"
        "print(early, 'fumehood.api' in sys.modules, hasattr(fumehood, 'nothing'))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert printed == ["False", "True", "False"]
    assert api.QuickEvalConfig is QuickEvalConfig


def test_a_language_model_leads_where_one_is_named_and_its_key_is_in_no_setting(asked):
    settings = asked(
        QuickEvalConfig(dataset_name="digits"),
        llm_base_url="http://localhost:11434/v1",
        llm_model="gpt-oss:20b",
        llm_api_key="sk-secret-of-the-test",
        budget_tokens=9000,
    ).settings
    assert (settings.planner, settings.llm.model, settings.llm.budget_tokens) == ("llm", "openai/gpt-oss:20b", 9000)
    assert "sk-secret" not in settings.model_dump_json()


def test_address_and_model_are_the_first_two_arguments_as_they_were_in_pytorch_researcher():
    AgentOrchestrator("http://localhost:11434/v1", "gpt-oss:20b", 3)


@pytest.mark.parametrize(("environment", "namespace"), [("no", None), ("yes", "default")])
def test_the_environment_decides_about_the_memory_where_nothing_is_said(asked, monkeypatch, environment, namespace):
    monkeypatch.setenv("FUMEHOOD_MEMORY", environment)
    assert asked(QuickEvalConfig(dataset_name="digits")).settings.memory == namespace


def test_a_memory_of_the_user_s_own_is_used(asked, tmp_path):
    manager = ManualMemoryContextManager(str(tmp_path / "m.db"), namespace="mine")
    assert asked(QuickEvalConfig(dataset_name="digits"), memory_manager=manager).settings.memory == "mine"
    assert AgentOrchestrator(memory_manager=manager).initialize_memory_manager() is manager
    assert isinstance(AgentOrchestrator().initialize_memory_manager(), ManualMemoryContextManager)


def test_a_plan_by_a_language_model_without_one_is_a_usage_error():
    with pytest.raises(UsageError, match="no language model"):
        AgentOrchestrator(planner="llm").run(goal="Classify digits", workdir="never-made")


def test_assembling_writes_a_file_by_the_template_and_says_why(tmp_path):
    config = {"class_name": "Net", "input_shape": [4], "layers": [{"type": "Linear", "out_features": 3}]}
    made = assemble_from_config(config, tmp_path / "model.py")
    assert (made["via"], made["attempts"]) == ("template", 0)
    assert "no language model is configured" in made["reason"]
    assert (tmp_path / "model.py").read_text() == made["source"]


def test_assembling_asks_the_model_that_is_named(tmp_path):
    source = "from torch import nn\n\n\nclass Net(nn.Module):\n    pass\n"
    config = {"class_name": "Net", "input_shape": [4], "layers": [{"type": "Linear", "out_features": 3}]}
    with scripted([f"```python\n{source}```"]) as server:
        asked = {"base_url": server.url, "model_name": "gpt-oss:20b", "max_retries": 1, "retry_backoff": 0.1}
        made = assemble_from_config(config, tmp_path / "model.py", llm_kwargs=asked)
    assert (made["via"], made["attempts"], made["source"]) == ("llm", 1, source)


def test_an_unknown_argument_for_the_model_is_named(tmp_path):
    config = {"class_name": "Net", "input_shape": [4], "layers": [{"type": "Linear", "out_features": 3}]}
    with pytest.raises(UsageError, match="temperature"):
        assemble_from_config(config, tmp_path / "model.py", llm_kwargs={"temperature": 1})
