"""Goals that rules cannot read, put to a language model: what it may add, and what of its answers does not count."""

from typing import Any

import pytest

import hostile
from fakes.scripted_model import ScriptedModel
from fumehood.errors import LlmError, UnusableAnswerError, UsageError
from fumehood.goal import complete, parse
from fumehood.goal.language import read
from fumehood_shared.messages import Task
from quotations import marks

pytestmark = pytest.mark.unit

PUZZLE = "Tell handwritten numerals apart, wrong at most 4 times in 100, and 20 thousand tunable weights as the ceiling"
RIGHT = {"metric": "accuracy", "target": 0.96, "data": "digits", "max_parameters": 20_000}


def test_without_a_model_the_rules_read_alone():
    assert read("accuracy above 90% on iris", None) == parse("accuracy above 90% on iris")
    with pytest.raises(UsageError, match="two targets"):
        read("accuracy above 90% and accuracy above 95%", None)


def test_a_goal_that_the_rules_read_wholly_is_put_to_nobody():
    model = ScriptedModel()
    text = "Design an efficient Vision Transformer for CIFAR-100 with <1M parameters and >80% accuracy"
    goal = complete(read(text, model), Task.CLASSIFICATION)
    assert (goal.metric, goal.target, goal.data, goal.max_parameters) == ("accuracy", 0.8, "cifar100", 1_000_000)
    assert model.questions == []


@pytest.mark.parametrize("text", ["Classify handwritten digits", "Tell the wines apart as well as you can"])
def test_a_metric_that_is_not_said_is_no_reason_to_ask(text):
    model = ScriptedModel()
    assert read(text, model).metric is None
    assert model.questions == []


def test_what_the_rules_leave_unsaid_is_filled_in_and_what_they_read_stands():
    assert (parse(PUZZLE).metric, parse(PUZZLE).max_parameters) == (None, None)
    goal = complete(read(PUZZLE, ScriptedModel([RIGHT])), Task.CLASSIFICATION)
    assert (goal.metric, goal.target, goal.data, goal.max_parameters) == ("accuracy", 0.96, "digits", 20_000)
    half_read = "accuracy above 90% on the small set of flowers that Fisher measured"
    found = read(half_read, ScriptedModel([{"metric": "f1_macro", "target": 0.5, "data": "iris"}]))
    assert (found.metric, found.target, found.data) == ("accuracy", 90, "iris")


def test_a_text_that_the_rules_refuse_may_be_read_by_the_model_which_is_told_why():
    text = "I compared digits and iris before; now, only for iris, an accuracy of 0.9"
    with pytest.raises(UsageError, match="more than one data set"):
        parse(text)
    model = ScriptedModel([{"metric": "accuracy", "target": 0.9, "data": "iris"}])
    found = read(text, model)
    assert (found.metric, found.target, found.data) == ("accuracy", 0.9, "iris")
    assert "more than one data set" in model.told()


BAD: dict[str, dict[str, Any]] = {
    "metric": RIGHT | {"metric": "bleu"},
    "data": RIGHT | {"data": "/etc/passwd"},
    "out of range": RIGHT | {"target": 4000},
    "invented target": RIGHT | {"target": 0.99},
    "invented limit": RIGHT | {"max_parameters": 30_000},
    "negative limit": RIGHT | {"max_parameters": -20_000},
    "invented time": RIGHT | {"max_train_s": 55},
    "target alone": {"target": 0.96},
}


@pytest.mark.parametrize("answer", BAD.values(), ids=BAD)
def test_an_answer_of_which_anything_does_not_hold_counts_for_nothing(answer):
    assert read(PUZZLE, ScriptedModel([answer])) == parse(PUZZLE)


@pytest.mark.parametrize("answer", [*BAD.values(), RIGHT | {"problem": "top-5 is not measured"}])
def test_where_the_answer_does_not_count_the_error_of_the_rules_stands(answer):
    with pytest.raises(UsageError, match="top-k"):
        read("top-5 accuracy above 96% on digits", ScriptedModel([answer | {"max_train_s": 55}]))


def test_explicit_settings_win_over_rules_and_model():
    found = read(PUZZLE, ScriptedModel([RIGHT]), data="wine", target=0.5)
    assert (found.data, found.target, found.metric) == ("wine", 0.5, "accuracy")
    with pytest.raises(UsageError, match="no metric"):
        read(PUZZLE, ScriptedModel([RIGHT]), metric="bleu")


@pytest.mark.parametrize("text", ["", "x" * 10_001])
def test_a_text_that_nobody_reads_is_put_to_nobody(text):
    model = ScriptedModel([RIGHT])
    with pytest.raises(UsageError):
        read(text, model)
    assert model.questions == []


def test_an_unusable_answer_leaves_the_rules_and_no_answer_is_told():
    assert read(PUZZLE, ScriptedModel([UnusableAnswerError("no JSON")])) == parse(PUZZLE)
    with pytest.raises(LlmError, match="nothing answers"):
        read(PUZZLE, ScriptedModel([LlmError("nothing answers")]))


@pytest.mark.parametrize("text", hostile.PROMPTS.values(), ids=hostile.PROMPTS)
def test_hostile_words_of_a_goal_make_no_turn_of_their_own(text):
    model = ScriptedModel([{}])
    read(text, model)
    assert not marks(model.told())
