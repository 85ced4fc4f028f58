"""Every command that a report prints is one that the program takes, as it is printed."""

import html
import re
import shlex
from typing import Any

import click
import pytest

from fumehood.cli import cli
from fumehood.records import Run
from fumehood.report import commands, markdown
from fumehood.report import html as html_page
from report import factories

pytestmark = pytest.mark.unit

GPUS = ("GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77", "MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f")
GOALS = [
    "Classify digits",
    "--help",
    "-1",
    'it\'s "quoted" `and` $(more) \\ ```',
    "two\nlines\tand <b>tags</b> & \x1b[31m",
    "'" * 10_000,
]
RUNS = [factories.good_run(), factories.failing_run(), factories.empty_run(), factories.unfinished_run()]


def parsed(line: str) -> tuple[str, dict[str, Any]]:
    """Name and parameters of the command that a shell would start for this line; nothing is run."""
    program, *words = shlex.split(line)
    assert program == "fumehood"
    context = cli.make_context(program, words)
    name, command, rest = cli.resolve_command(context, [*context._protected_args, *context.args])
    assert isinstance(command, click.Command)
    return name or "", command.make_context(name, rest, parent=context).params


def asking(goal: str, **changes: Any) -> Run:
    run = factories.good_run()
    asked = run.settings.model_copy(update={"goal": run.settings.goal.model_copy(update={"text": goal}), **changes})
    return run.model_copy(update={"settings": asked})


PREDICT = commands.predict(factories.good_run())


@pytest.mark.parametrize("words", [commands.RESUME, commands.REPORT, PREDICT], ids=" ".join)
def test_the_commands_for_this_run_are_taken(words: tuple[str, ...]) -> None:
    name, parameters = parsed(shlex.join(words))
    assert name == words[1]
    assert str(parameters["directory"]) == "."


@pytest.mark.parametrize("goal", GOALS, ids=range(len(GOALS)))
def test_the_command_that_repeats_a_run_is_taken_with_any_goal(goal: str) -> None:
    name, parameters = parsed(commands.shell(commands.repeat(asking(goal))))
    assert name == "run"
    assert parameters["goal_text"].split() == re.sub("\x1b", "\N{REPLACEMENT CHARACTER}", goal).split()


def test_it_asks_for_what_was_asked_for() -> None:
    run = asking(
        "x", metric="r2", target=0.123456789, gpus=GPUS, timeout_s=1234567.5, policy="/a b/mine.toml", parallel=4
    )
    _, parameters = parsed(commands.shell(commands.repeat(run)))
    assert (parameters["gpus"].split(","), parameters["parallel"]) == (list(GPUS), 4)
    assert (parameters["metric"], parameters["target_accuracy"]) == ("r2", 0.123456789)
    assert (parameters["timeout"], parameters["budget_minutes"]) == (1234567.5, 30.0)
    assert parameters["policy"] == "/a b/mine.toml"


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.run_id)
def test_a_run_on_the_cpu_stays_there_and_leaves_the_goal_to_its_words(run: Run) -> None:
    _, parameters = parsed(commands.shell(commands.repeat(run)))
    assert (parameters["gpus"], parameters["metric"], parameters["target_accuracy"]) == ("none", None, None)


@pytest.mark.parametrize("goal", GOALS[-2:], ids=["markup", "long"])
def test_every_command_is_taken_as_the_reports_show_it(goal: str) -> None:
    run = asking(goal)
    told = re.findall(r"^fumehood .*$", markdown.research_summary(run), re.MULTILINE)
    shown = [html.unescape(text) for text in re.findall(r"<pre>(fumehood .*?)</pre>", html_page.page(run), re.DOTALL)]
    assert [parsed(line)[0] for line in told] == ["resume", "predict", "report", "run"]
    assert [parsed(line)[0] for line in shown] == ["resume", "predict", "run"]
