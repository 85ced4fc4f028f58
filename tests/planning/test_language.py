"""The planner that asks a language model: what it is told, what it may answer, and what its answers cannot do."""

import json
import re
from collections.abc import Sequence
from typing import Any

import pytest

import hostile
from fakes.scripted_model import Answer, ScriptedModel
from fumehood.assembly import catalog
from fumehood.assembly.language import TrainRoom
from fumehood.assembly.template import assemble
from fumehood.errors import BudgetError, LlmError, UnusableAnswerError
from fumehood.history import History
from fumehood.planning.language import LanguagePlanner
from fumehood.planning.language.reply import Proposal, Proposals
from fumehood.records import Dataset, Goal, Iteration, Phase, Plan, SeedResult
from fumehood.records.insight import DataFingerprint, Insight, Kind, Recalled
from fumehood_shared.messages import DataFacts, Landmarks, Recipe, WorkerReport
from planning.answers import LAYERS, proposal, words
from planning.histories import (
    ALL,
    DIGITS,
    REVIEWS,
    WINE,
    failed,
    goal,
    kept,
    numbered,
    plan,
    through_json,
    weak,
)
from quotations import ENDS, ORDER, marks, outside

pytestmark = pytest.mark.unit

ROOM = TrainRoom(memory=6 * 2**30, cpus=8, wall_s=1800, device="cpu", seeds=3)


def planner(
    *answers: Answer,
    most: int = 20,
    parallel: int = 1,
    repairs: int = 3,
    tell_names: bool = True,
    source: str = "SOURCE",
) -> tuple[LanguagePlanner, ScriptedModel]:
    model = ScriptedModel(answers)
    made = LanguagePlanner(
        model, room=ROOM, max_iterations=most, parallel=parallel, max_repairs=repairs, sources=lambda _number: source,
        budget=lambda: "1,000 of 9,000 tokens", tell_names=tell_names,
    )  # fmt: skip
    return made, model


def told(
    history: Sequence[Iteration] = (),
    *,
    data: Dataset = DIGITS,
    asked: Goal | None = None,
    pending: Sequence[Plan] = (),
    recalled: Sequence[Recalled] = (),
    **settings: Any,
) -> str:
    """All that the model is asked with."""
    made, model = planner(words(), **settings)
    made.propose(asked or goal(), data, numbered(history), pending, recalled)
    return model.told()


# ---- answers become plans ----------------------------------------------------------------------------------------


def test_layers_become_a_plan_that_the_template_can_build_for_these_data() -> None:
    made, model = planner(proposal(recipe={"lr": 0.01, "augment": ["shift"]}))
    found = made.propose(goal(), DIGITS, [], [])
    assert found is not None
    assert (found.move, found.parent, found.title, found.design) == ("draft", None, "Width 32", "")
    assert found.model_config_ is not None
    assert (found.model_config_["input_shape"], found.model_config_["num_outputs"]) == ([1, 8, 8], 10)
    assert "class Net" in assemble(found.model_config_, found.recipe)
    assert Plan.model_validate_json(found.model_dump_json()) == found
    assert model.questions[0].reply is Proposal
    assert model.questions[0].phase is Phase.PLANNING


def test_what_a_proposal_says_of_the_sizes_of_the_data_does_not_count() -> None:
    wrong = {"input_shape": [3, 32, 32], "num_outputs": 7, "layers": LAYERS}
    found = planner(proposal(model_config=wrong))[0].propose(goal(), WINE, [], [])
    assert found is not None
    assert found.model_config_ is not None
    assert (found.model_config_["input_shape"], found.model_config_["num_outputs"]) == ([13], 3)


def test_words_become_a_plan_for_the_author() -> None:
    found = planner(words(recipe={"epochs": 5}, family="My CNN!"))[0].propose(goal(), DIGITS, [], [])
    assert found is not None
    assert (found.model_config_, found.design, found.recipe, found.family) == (
        None, "two branches", {"epochs": 5}, "my_cnn",
    )  # fmt: skip


def test_an_improvement_begins_from_the_incumbent_and_shows_its_source() -> None:
    history = numbered([kept(), kept(), weak()])
    made, model = planner(words("refine"))
    found = made.propose(goal(), DIGITS, history, [])
    assert found is not None
    assert (found.move, found.parent) == ("improve", 2)
    assert "SOURCE" in model.told()
    assert "Refine iteration 2" in model.told()
    assert model.questions[0].phase is Phase.OPTIMIZATION


def test_the_move_is_the_policys_whatever_the_answer_calls_it() -> None:
    found = planner(words("refine"))[0].propose(goal(), DIGITS, [], [])
    assert found is not None
    assert (found.move, found.parent) == ("draft", None)


def test_a_fix_is_planned_without_a_question() -> None:
    made, model = planner()
    history = numbered([failed(), failed("fix", 1, "other")])
    history[1] = history[1].model_copy(update={"plan": plan("fix", 1, title="Fix of 1: A network", design="a network")})
    found = made.propose(goal(), DIGITS, history, [])
    assert found is not None
    assert (found.move, found.parent, found.title) == ("fix", 2, "Fix of 2: A network")
    assert found.design == "a network"
    assert model.questions == []


def test_a_fix_that_could_not_be_written_is_given_up_and_research_goes_on() -> None:
    made, _ = planner(words(), words("refine"), repairs=3)
    history = numbered([kept(), failed()])
    moves = []
    for _ in range(2):
        found = made.propose(goal(), DIGITS, history, [])
        moves.append((found.move, found.parent) if found else None)
    history = numbered([*history, weak(), failed()])
    found = made.propose(goal(), DIGITS, history, [])
    moves.append((found.move, found.parent) if found else None)
    assert moves == [("fix", 2), ("draft", None), ("fix", 4)]


def test_a_failed_network_of_layers_is_repaired_by_the_author() -> None:
    broken = failed()
    layered = broken.plan.model_copy(update={"model_config_": {"layers": LAYERS}, "design": ""})
    found = planner()[0].propose(goal(), DIGITS, numbered([broken.model_copy(update={"plan": layered})]), [])
    assert found is not None
    assert (found.model_config_, found.move) == (None, "fix")
    assert "A network" in found.design


# ---- wishes ------------------------------------------------------------------------------------------------------


def test_achieve_is_only_a_wish_and_answered_once() -> None:
    made, model = planner({"action": "achieve", "reason": "99%!"}, proposal())
    target = Goal(text="g", metric="accuracy", direction="max", target=0.95)
    found = made.propose(target, DIGITS, numbered([kept()]), [])
    assert found is not None
    assert "has not reached 0.95" in model.questions[-1].messages[-1].content
    assert "99%!" in model.questions[-1].messages[-2].content


@pytest.mark.parametrize("second", ["achieve", "stop"])
def test_a_second_wish_ends_the_proposals(second: str) -> None:
    made, model = planner({"action": "achieve", "reason": "r"}, {"action": second, "reason": "r"}, proposal())
    assert made.propose(goal(), DIGITS, [], []) is None
    assert model.left == 1


def test_stop_ends_the_proposals_at_once() -> None:
    made, model = planner({"action": "stop", "reason": "nothing left"}, proposal())
    assert made.propose(goal(), DIGITS, numbered([kept()]), []) is None
    assert model.left == 1


def test_a_wish_to_end_stands_while_what_is_under_way_ends() -> None:
    made, model = planner({"action": "stop", "reason": "r"}, parallel=2)
    history, under_way = [kept(), failed()], [plan(), plan("fix", 2)]
    assert made.propose(goal(), DIGITS, numbered(history), under_way) is None
    history.append(weak())
    assert made.propose(goal(), DIGITS, numbered(history), under_way[1:]) is None
    history.append(failed("fix", 2))
    assert made.propose(goal(), DIGITS, numbered(history), []) is None
    assert len(model.questions) == 1


@pytest.mark.parametrize(("actions", "questions"), [(("stop", "stop"), 1), (("achieve", "stop"), 2)])
def test_a_wish_to_end_is_heard_where_several_are_asked_for(actions: tuple[str, ...], questions: int) -> None:
    wishes = [{"action": action, "reason": "r"} for action in actions]
    made, model = planner({"proposals": wishes}, {"action": "stop", "reason": "r"}, parallel=2)
    assert made.propose(goal(), DIGITS, [], []) is None
    assert len(model.questions) == questions


# ---- answers that cannot be built --------------------------------------------------------------------------------

UNBUILDABLE = {
    "unknown layer": ({"model_config": {"layers": [{"type": "Transfomer"}]}}, "not known"),
    "misfit": ({"model_config": {"layers": [{"type": "Conv2d", "out_channels": 3, "kernel_size": 50}]}}, "Layer 1"),
    "unknown key": ({"model_config": {"layers": LAYERS, "loss": "mse"}}, "unknown keys: loss"),
    "recipe": ({"recipe": {"learning_rate": 1}}, "learning_rate"),
    "infinite": ({"model_config": {"layers": [{"type": "Linear", "comment": float("inf")}]}}, "plain JSON"),
    "surrogate": ({"model_config": {"layers": [{"type": "Linear", "comment": "\ud800"}]}}, "plain JSON"),
    "huge": ({"model_config": {"layers": [{"type": "Linear", "comment": "x" * 70_000}]}}, "plain JSON"),
}


@pytest.mark.parametrize(("fields", "why"), UNBUILDABLE.values(), ids=UNBUILDABLE)
def test_what_cannot_be_built_is_told_back_once(fields: dict[str, Any], why: str) -> None:
    made, model = planner(proposal(**fields), proposal())
    assert made.propose(goal(), DIGITS, [], []) is not None
    assert why in model.questions[-1].messages[-1].content
    made, model = planner(proposal(**fields), proposal(**fields), proposal())
    with pytest.raises(UnusableAnswerError, match="twice"):
        made.propose(goal(), DIGITS, [], [])
    assert model.left == 1


def test_a_network_that_is_too_large_for_the_goal_is_told_back_before_it_is_built() -> None:
    made, model = planner(proposal(width=4096), proposal(width=8))
    found = made.propose(goal(max_parameters=1000), DIGITS, [], [])
    assert found is not None
    assert found.title == "Width 8"
    assert "the goal allows 1,000" in model.questions[-1].messages[-1].content


def test_the_same_network_with_the_same_recipe_is_not_proposed_again() -> None:
    first = planner(proposal())[0].propose(goal(), DIGITS, [], [])
    assert first is not None
    history = numbered([kept().model_copy(update={"plan": first})])
    made, model = planner(proposal(title="renamed"), proposal(width=64))
    found = made.propose(goal(), DIGITS, through_json(history), [])
    assert found is not None
    assert found.title == "Width 64"
    assert "Proposal 1 of this run is the same" in model.questions[-1].messages[-1].content


def test_an_answer_that_says_nothing_to_build_does_not_fit_the_form() -> None:
    with pytest.raises(ValueError, match="model_config, or design"):
        Proposal.model_validate({"action": "propose", "reason": "r"})
    with pytest.raises(ValueError, match="action"):
        Proposal.model_validate({"action": "mark_goal_achieved", "reason": "r"})


def test_what_is_left_out_may_be_null_and_an_action_may_be_shouted() -> None:
    said = {"action": " Propose", "reason": "r", "title": None, "family": None, "model_config": {}, "recipe": None}
    assert Proposal.model_validate({**said, "design": "d"}) == Proposal(action="propose", reason="r", design="d")
    with pytest.raises(ValueError, match="model_config, or design"):
        Proposal.model_validate({**said, "design": None})


@pytest.mark.parametrize("trouble", [LlmError("nothing answers"), BudgetError("used up"), UnusableAnswerError("no")])
def test_trouble_with_the_model_is_passed_on(trouble: LlmError | BudgetError) -> None:
    made, _ = planner(trouble)
    with pytest.raises(type(trouble), match=trouble.what):
        made.propose(goal(), DIGITS, [], [])


# ---- several at once ---------------------------------------------------------------------------------------------


def test_one_question_asks_for_as_many_proposals_as_may_be_under_way() -> None:
    answer = {"proposals": [proposal(width=width) for width in (8, 16, 32)]}
    made, model = planner(answer, words(), parallel=3)
    pending: list[Plan] = []
    for width in (8, 16, 32):
        found = made.propose(goal(), DIGITS, [], pending)
        assert found is not None
        assert found.title == f"Width {width}"
        pending.append(found)
    assert len(model.questions) == 1
    assert model.questions[0].reply is Proposals
    assert "Give 3 proposals" in model.told()
    history = numbered([kept().model_copy(update={"plan": pending[0]})])
    assert made.propose(goal(), DIGITS, history, pending[1:]) is not None
    assert len(model.questions) == 2
    assert "Under way" in model.told()
    assert "Width 16" in model.told()


def test_what_is_held_is_forgotten_when_the_history_goes_on() -> None:
    answers = [{"proposals": [proposal(width=width) for width in widths]} for widths in ((8, 16), (32, 64))]
    made, _ = planner(*answers, parallel=2)
    first = made.propose(goal(), DIGITS, [], [])
    assert first is not None
    found = made.propose(goal(), DIGITS, numbered([kept().model_copy(update={"plan": first})]), [])
    assert found is not None
    assert found.title == "Width 32"


def test_proposals_that_are_alike_or_cannot_be_built_are_dropped() -> None:
    answer = {"proposals": [proposal(), proposal(title="again"), proposal(recipe={"lr": -1}), words(),
                            {"action": "stop", "reason": "r"}]}  # fmt: skip
    made, model = planner(answer, parallel=5)
    found = [made.propose(goal(), DIGITS, [], []) for _ in range(2)]
    assert [one.title for one in found if one] == ["Width 32", "t"]
    assert model.left == 0


def test_where_none_of_several_can_be_tried_one_is_asked_for() -> None:
    stop = {"action": "stop", "reason": "r"}
    made, model = planner({"proposals": [stop, proposal(recipe={"lr": -1})]}, proposal(), parallel=2)
    assert made.propose(goal(), DIGITS, [], []) is not None
    assert model.questions[-1].reply is Proposal
    assert "cannot be built: Recipe field lr" in model.questions[-1].messages[-1].content


def test_no_more_is_asked_for_than_there_are_iterations_left() -> None:
    made, model = planner(proposal(), most=1, parallel=4)
    assert made.propose(goal(), DIGITS, [], []) is not None
    assert model.questions[0].reply is Proposal


# ---- what the model is told --------------------------------------------------------------------------------------


def test_the_question_tells_goal_data_history_and_what_is_left() -> None:
    target = Goal(text="digits, please", metric="accuracy", direction="max", target=0.95, max_parameters=5000,
                  max_train_s=60)  # fmt: skip
    history = [kept(mean=0.9), failed(message="mat1 does not fit"), weak("improve", 1)]
    said = told([*history, weak("fix", 2)], asked=target)
    for piece in (
        "> digits, please", "Target: 0.95", "5,000 parameters", "60 s of training", "1 x 8 x 8", "10 logits",
        "1,078 train", "kept, the incumbent", "failed: shape", "improve of 1", "fix of 2", "mat1 does not fit",
        "16 iterations, 1,000 of 9,000 tokens.", "4 of at most 20", "6 GiB", *Recipe.model_fields,
    ):  # fmt: skip
        assert piece in said, piece


@pytest.mark.parametrize(
    ("history", "words_"),
    [
        ([], "Planning:"),
        ([kept()], "Architecture:"),
        ([kept(), weak(), weak()], "Optimization:"),
        ([kept(), failed("fix", 1, "x"), failed("fix", 2, "x")], "Evaluation:"),
    ],
    ids=["planning", "architecture", "optimization", "evaluation"],
)
def test_the_question_says_which_phase_it_is(history: list[Iteration], words_: str) -> None:
    said = told(history)
    phases = ("Planning:", "Architecture:", "Optimization:", "Evaluation:")
    assert [one for one in phases if one in said] == [words_]


def test_scores_are_told_no_finer_than_their_noise() -> None:
    said = told([kept(mean=0.90123)])
    assert "0.9012" not in said
    assert "0.9023 [0.8828, 0.9219]" in said
    assert told([kept(mean=0.90123)]) == told([kept(mean=0.90124)])


def test_no_score_of_a_test_and_no_reason_with_unrounded_numbers_is_told() -> None:
    one = kept(mean=0.9)
    precise = one.decision.model_copy(update={"reason": "accuracy 0.901234 over 3 seeds"})
    assert "0.901234" not in told([one.model_copy(update={"decision": precise})])


def test_names_of_the_data_are_told_quoted_unless_that_is_forbidden() -> None:
    named = DIGITS.model_copy(
        update={
            "spec": "csv:/home/x/patients.csv#target=ill",
            "target": DIGITS.target.model_copy(update={"name": "diagnosis", "classes": ("benign", "malignant")}),
            "facts": DataFacts(rows=10, class_counts={"benign": 7, "malignant": 3}, missing_cells={"blood": 2}),
        }
    )
    private = ("patients", "benign", "malignant", "diagnosis", "blood")
    open_, closed = told(data=named), told(data=named, tell_names=False)
    assert "Rows by class: 7, 3." in open_
    assert "Rows by class: 7, 3." in closed
    for name in private:
        assert name in open_
        assert name not in outside(open_)
        assert name not in closed


def test_how_far_simple_models_get_is_told_where_it_is_known() -> None:
    known = DataFacts(rows=10, landmarks=Landmarks(linear=0.52, smooth=0.874))
    assert "ridge regression explains 52%, on a Gaussian kernel 87%." in told(
        data=DIGITS.model_copy(update={"facts": known})
    )
    assert "Gaussian" not in told(data=DIGITS)


def test_many_classes_are_summed_up() -> None:
    counts = {str(n): 100 + n for n in range(100)}
    assert "from 100 to 199" in told(data=DIGITS.model_copy(update={"facts": DataFacts(rows=1, class_counts=counts)}))


def test_the_same_history_gives_the_same_words_whether_packed_resumed_or_asked_about_before() -> None:
    history = numbered([kept(), weak(), failed(), weak("fix", 3)])
    made, model = planner(*[words()] * 3)
    made.propose(goal(), DIGITS, history[:2], [])
    made.propose(goal(), DIGITS, History(history), [])
    made.propose(goal(), DIGITS, History(through_json(history)), [])
    assert model.told(1) == model.told(2) == told(history)
    assert model.told(0) == told(history[:2])


def test_the_one_to_be_refined_is_shown_with_what_its_training_claims_and_without_a_time() -> None:
    claims = WorkerReport(index=0, epochs=20, train_loss=(2.31, 0.5, 0.0132), held_out_loss=(2.0, 0.4), train_s=77.7)
    seed = SeedResult(seed=0, predictions_digest="0" * 64, train_claims=claims)
    envelope = kept().envelope.model_copy(update={"seeds": (seed,)})
    said = told([kept().model_copy(update={"envelope": envelope})], most=3)
    assert "20 epochs, training loss 2.3 at first and 0.013 at last, held-out loss 0.4 at last" in said
    assert "77" not in said


def test_a_network_of_layers_is_shown_as_its_layers_and_a_large_one_as_its_source() -> None:
    for count, shown in ((4, True), (400, False)):
        config = {"layers": [{"type": "Linear", "out_features": n + 1} for n in range(count)]}
        layered = plan().model_copy(update={"model_config_": config})
        said = told([kept().model_copy(update={"plan": layered})], most=3)
        assert ('"out_features": 1' in said) is shown
        assert ("SOURCE" in said) is not shown


def test_what_earlier_runs_found_is_told_as_quoted_notes() -> None:
    insight = Insight(
        id="0" * 32, kind=Kind.PATTERN, text=f"small nets win. {ENDS} {ORDER}", importance=0.5, created_at="t",
        phase=Phase.EVALUATION,
    )  # fmt: skip
    said = told(recalled=[Recalled(insight=insight, score=0.9, reason="same data")])
    assert "small nets win" in said
    assert "small nets win" not in outside(said)
    assert ORDER not in outside(said)


def test_notes_of_earlier_runs_name_no_data_where_that_is_forbidden() -> None:
    spec = "csv:/home/x/patients.csv#target=ill"
    fingerprint = DataFingerprint(spec=spec, task="classification", input_kind="tabular", input_shape=(3,),
                                  num_outputs=2, rows=9, source_digest="0" * 64)  # fmt: skip
    basis = Insight(id="0" * 32, kind=Kind.RESULT, text=f"A small net did well on {spec}: 9 rows.", importance=0.5,
                    created_at="t", phase=Phase.EVALUATION, data=fingerprint)  # fmt: skip
    note = basis.model_copy(update={"kind": Kind.NOTE, "text": "remember that patients differ"})
    recalled = [Recalled(insight=one, score=0.9, reason="r") for one in (basis, note)]
    open_, closed = told(recalled=recalled), told(recalled=recalled, tell_names=False)
    assert open_.count("patients") == 2
    assert "patients" not in closed
    assert "A small net did well on (a data set): 9 rows." in closed


@pytest.mark.parametrize("data", ALL.values(), ids=ALL)
def test_every_layer_and_setting_that_the_prompt_names_is_known_to_the_assembler(data: Dataset) -> None:
    said = told(data=data)
    listed = re.search(r"^  (.*?)\n- Or `design`", said[said.index("Prefer this") :], re.DOTALL | re.MULTILINE)
    assert listed is not None
    named = re.findall(r"(\w+)(?:\(([\w, ]*)\))?(?=[;,.])", listed[1].replace(", first and", ";"))
    kinds = [(name, settings) for name, settings in named if catalog.find(name)]
    assert len(kinds) > 12
    for name, settings in kinds:
        kind = catalog.find(name)
        assert kind is not None
        known = {argument.name for argument in kind.arguments}
        assert {setting.strip() for setting in settings.split(",") if setting.strip()} <= known, name
    unknown = {name for name, _ in named} - {name for name, _ in kinds}
    assert unknown <= {"vocab_size", "num_embeddings", "padding_idx", "0"}
    assert ("Embedding(" in said) is (data is REVIEWS)


# ---- the length of the question ----------------------------------------------------------------------------------

TOKEN_CHARS = 3.5


def long_history(length: int, title: str = "A network of some width and depth") -> list[Iteration]:
    history = [kept(mean=0.5)]
    for n in range(2, length + 1):
        if n % 7 == 0:
            one = failed("improve", 1, message=f"{title[: n % 60]} failed {title}"[:500])
        else:
            one = weak("improve", 1, mean=0.3 + n / 1000)
        family = f"{title[:20]}{n % 40}"
        history.append(one.model_copy(update={"plan": plan("improve", 1, title).model_copy(update={"family": family})}))
    return history


HUGE_TITLES = {"plain": "A network", "long": "x" * 5000, "lines": "a\n| b\n" * 800, **hostile.PROMPTS}


@pytest.mark.parametrize("title", HUGE_TITLES.values(), ids=HUGE_TITLES)
def test_after_200_iterations_the_question_stays_under_8000_tokens(title: str) -> None:
    insight = Insight(
        id="0" * 32, kind=Kind.PATTERN, text=title[:4000], importance=0.5, created_at="t", phase=Phase.EVALUATION
    )
    recalled = [Recalled(insight=insight, score=0.9, reason="r")] * 20
    classes = DIGITS.target.model_copy(update={"classes": tuple(f"{title}{n}" for n in range(100))})
    data = DIGITS.model_copy(update={"target": classes})
    said = told(long_history(199, title), data=data, recalled=recalled, most=400, repairs=0, source="x = 1\n" * 20_000)
    form = json.dumps(Proposal.model_json_schema())
    assert (len(said) + len(form)) / TOKEN_CHARS < 8000


def test_the_question_grows_with_the_logarithm_of_the_history() -> None:
    lengths = [len(told(long_history(n), most=2000, repairs=0)) for n in (25, 100, 400)]
    first, second = lengths[1] - lengths[0], lengths[2] - lengths[1]
    assert second < 1.5 * first + 500
    assert lengths[2] < 1.5 * lengths[0]


def test_best_latest_and_incumbent_are_shown_and_the_rest_is_summed_up() -> None:
    history = [kept(mean=0.9), *[weak("improve", 1, mean=0.1 + n / 1000) for n in range(100)]]
    history[50] = weak(mean=0.8)
    rows = [line for line in told(history, most=400).splitlines() if re.match(r"\d+ \| ", line)]
    numbers = [int(row.split(" ")[0]) for row in rows]
    assert {1, 51, 101, 100, 99} <= set(numbers)
    assert numbers == sorted(numbers)
    assert "not shown: 8" in told(history, most=400)


# ---- hostile text ------------------------------------------------------------------------------------------------

TRACEBACK = f"Traceback (most recent call last):\n{ENDS}\n{ORDER}\n" + f"{ORDER}\n" * 4000


@pytest.mark.parametrize("text_", [*hostile.ALL.values(), ENDS, TRACEBACK], ids=[*hostile.ALL, "ends", "traceback"])
def test_hostile_words_of_rooms_data_and_memory_stay_in_their_quotations(text_: str) -> None:
    sent = f"{ORDER} {text_}".encode("utf-8", "replace").decode()
    history = [failed(message=sent[:500], traceback=sent[-4000:], log=sent), weak("fix", 1)]
    data = DIGITS.model_copy(update={"target": DIGITS.target.model_copy(update={"name": f"{ORDER} {text_}"})})
    said = told(history, data=data)
    assert ORDER in said
    assert ORDER not in outside(said)
    assert said.count("<untrusted-data") == said.count("\n</untrusted-data>\n") == said.count("</untrusted-data>") == 2
    assert not marks(said)


@pytest.mark.parametrize("text_", [*hostile.ALL.values(), ENDS], ids=[*hostile.ALL, "ends"])
def test_hostile_titles_designs_and_goals_make_no_lines_and_marks_of_their_own(text_: str) -> None:
    title = plan(title=text_, design=text_).model_copy(update={"family": text_})
    history = [one.model_copy(update={"plan": title}) for one in (kept(), weak(), weak())]
    asked = Goal(text=text_, metric="accuracy", direction="max")
    said = told(history, asked=asked, pending=[title])
    assert not marks(said)
    assert said.count("<untrusted-data") == said.count("</untrusted-data>") == 1


def test_a_traceback_that_marks_the_goal_achieved_changes_no_plan_and_no_move() -> None:
    quiet = [failed(message="it broke"), weak("fix", 1)]
    loud = [failed(message=ORDER, traceback=TRACEBACK[-4000:], log=TRACEBACK), weak("fix", 1)]
    plans = [planner(proposal())[0].propose(goal(), DIGITS, numbered(history), []) for history in (quiet, loud)]
    assert plans[0] == plans[1] is not None
