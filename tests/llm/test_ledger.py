"""Money and tokens: nothing is asked that may cost more than is left, and what is not known is not called nothing."""

import pytest

from fakes.llm_server import Refuse, Say, scripted
from fumehood.errors import BudgetError
from fumehood.llm import library
from fumehood.llm.ledger import Ledger
from fumehood.llm.price import Price, estimate
from fumehood.records import Call, Phase
from llm.kit import asking, question

pytestmark = pytest.mark.unit
CENT = Price(prompt=0.01, completion=0.02)


def call(tokens, usd):
    return Call(
        number=1, purpose="plan", phase=Phase.PLANNING, model="m", prompt_tokens=tokens, completion_tokens=0,
        cost_usd=usd, latency_s=1.0, digest="",
    )  # fmt: skip


def test_no_question_is_put_when_the_time_of_the_run_is_over():
    left = [5.0]
    ledger = Ledger(time_left_s=lambda: left[0])
    ledger.settle(ledger.reserve(10, 10, None), 20, None)
    left[0] = 0.0
    with pytest.raises(BudgetError, match="budget of minutes"):
        ledger.reserve(10, 10, None)


def test_what_is_settled_counts_instead_of_what_was_put_aside():
    ledger = Ledger(budget_usd=10, budget_tokens=1000)
    reserved = ledger.reserve(100, 100, CENT)
    assert (reserved.tokens, reserved.usd) == (200, pytest.approx(3.0))
    ledger.settle(reserved, 110, 1.2)
    assert (ledger.tokens, ledger.usd) == (110, pytest.approx(1.2))


@pytest.mark.parametrize(("tokens", "fits"), [(600, True), (601, False)])
def test_tokens_bind_to_the_last_one(tokens, fits):
    ledger = Ledger(budget_tokens=1000, spent=[call(400, None)])
    if fits:
        ledger.reserve(tokens, 0, None)
    else:
        with pytest.raises(BudgetError, match="400 are spent, and it may take 601"):
            ledger.reserve(tokens, 0, None)


def test_dollars_bind_where_the_price_is_known():
    ledger = Ledger(budget_usd=1.0, spent=[call(10, 0.5)])
    ledger.reserve(10, 10, CENT)
    with pytest.raises(BudgetError, match="may cost"):
        ledger.reserve(10, 10, CENT)


def test_an_unknown_price_makes_the_spending_unknown_and_leaves_tokens_to_bind():
    ledger = Ledger(budget_usd=0.01, budget_tokens=500)
    ledger.settle(ledger.reserve(100, 100, None), 150, None)
    assert ledger.usd is None
    assert ledger.known_usd == 0
    with pytest.raises(BudgetError, match="tokens"):
        ledger.reserve(300, 100, None)


def test_what_is_under_way_counts():
    ledger = Ledger(budget_tokens=300)
    first = ledger.reserve(100, 100, None)
    with pytest.raises(BudgetError):
        ledger.reserve(100, 100, None)
    ledger.settle(first, 20, None)
    ledger.reserve(100, 100, None)


def test_an_earlier_process_s_spending_counts():
    assert Ledger(spent=[call(10, 0.1), call(5, 0.2)]).usd == pytest.approx(0.3)
    assert Ledger(spent=[call(10, 0.1), call(5, None)]).usd is None
    assert Ledger(spent=[call(10, 0.1), call(5, None)]).tokens == 15


@pytest.mark.parametrize(
    "text", ["def build_model(input_shape, num_outputs):\n    return Net()\n" * 20, "Überraschung " * 50],
    ids=["code", "German"],
)  # fmt: skip
def test_a_question_is_estimated_rather_too_large_than_too_small(text):
    counted = library.litellm().token_counter(model="gpt-4o", text=text)
    assert counted <= estimate(text) <= 3 * counted


def test_a_question_beyond_the_budget_never_reaches_the_server(tmp_path):
    with scripted([Say('{"action": "go", "width": 3}', usage=(200, 30)), {"action": "go", "width": 4}]) as server:
        it = asking(server, tmp_path, ledger=Ledger(budget_tokens=700))
        it.client.ask(question())
        with pytest.raises(BudgetError, match="230 are spent"):
            it.client.ask(question())
        assert len(server.requests) == 1
    assert [line.end for line in it.lines()] == ["answered", "budget"]
    assert (it.calls[1].prompt_tokens, it.calls[1].cost_usd) == (0, 0.0)
    assert "budget" in it.calls[1].failure


def test_a_refused_question_costs_nothing_and_leaves_the_budget_whole(tmp_path):
    ledger = Ledger(budget_tokens=700)
    with scripted([Refuse(500), Refuse(500), {"action": "go", "width": 3}]) as server:
        asking(server, tmp_path, ledger=ledger).client.ask(question())
    assert ledger.tokens == 120


def test_prices_are_known_only_of_a_provider_at_its_own_address(tmp_path):
    known = library.price("openai/gpt-4o-mini")
    assert known is not None
    assert 0 < known.prompt < known.completion < 1e-4
    assert library.price("openai/gpt-oss:20b") is None
    assert library.price("openai/claude-3-5-sonnet-20241022") is None
    with scripted([{"action": "go", "width": 3}]) as server:
        it = asking(server, tmp_path, model="openai/gpt-4o-mini")
        it.client.ask(question())
        at_home = asking(server, tmp_path / "home", model="gpt-4o-mini", url="https://api.openai.com/v1")
        assert [route.price for route in at_home.client._open_routes()] == [known]
    assert it.calls[0].cost_usd is None


def test_what_is_spent_is_counted_in_dollars_where_the_price_is_known(tmp_path):
    ledger = Ledger(budget_usd=5.0)
    with scripted([Say('{"action": "go", "width": 3}', usage=(100, 20)), {"action": "go", "width": 4}]) as server:
        it = asking(server, tmp_path, ledger=ledger)
        (route,) = it.client._open_routes()
        route.price = CENT
        it.client.ask(question(max_tokens=100))
        assert it.calls[0].cost_usd == ledger.usd == pytest.approx(1.4)
        with pytest.raises(BudgetError, match=r"\$1\.4000 are spent"):
            it.client.ask(question(max_tokens=150))
        assert len(server.requests) == 1
