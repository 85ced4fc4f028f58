"""A transcript answers like the model did: in order, with the same failures, and without a network."""

import json

import pytest

from fakes.llm_server import Refuse, scripted
from fumehood.errors import BudgetError, LlmError, UnusableAnswerError, UsageError
from fumehood.llm.ledger import Ledger
from fumehood.llm.replay import Replay
from fumehood.llm.transcript import Transcript
from llm.kit import Wish, asking, question

pytestmark = pytest.mark.unit
GOOD = {"action": "go", "width": 3}


def recorded(folder, steps, questions, **more):
    """What came of the questions, and the transcript."""
    with scripted(steps) as server:
        it = asking(server, folder, **more)
        return [outcome(it.client, one) for one in questions], it


def outcome(model, asked):
    try:
        return model.ask(asked)
    except Exception as error:  # noqa: BLE001  # compared with what a replay raises
        return type(error), str(error), getattr(error, "hint", "")


def replayed(path, questions, **more):
    calls = []
    replay = Replay(path, calls.append, **more)
    return [outcome(replay, one) for one in questions], calls, replay


def test_everything_happens_again_in_the_same_order(tmp_path):
    steps = [
        GOOD, Refuse(429, "slow"), Refuse(500), {"action": "fly"}, {"action": "stop", "width": 1}, "import torch",
        "nonsense", "nonsense", Refuse(401, "no"), GOOD,
    ]  # fmt: skip
    questions = [question(), question(), question(str, purpose="code"), question(), question(), question()]
    before, it = recorded(tmp_path, steps, questions)
    with Transcript(tmp_path / "again.jsonl") as transcript:
        after, calls, replay = replayed(it.path, questions, transcript=transcript)
    assert after == before
    assert [type(one) for one in before[:3]] == [Wish, Wish, str]
    assert [one[0] for one in before[3:5]] == [UnusableAnswerError, LlmError]
    assert calls == it.calls
    assert (tmp_path / "again.jsonl").read_bytes() == it.path.read_bytes()
    assert replay.differing == 0
    assert replay.name == it.client.name


def test_a_budget_that_ran_out_runs_out_again(tmp_path):
    questions = [question(), question()]
    before, it = recorded(tmp_path, [GOOD, GOOD], questions, ledger=Ledger(budget_tokens=600))
    after, _, _ = replayed(it.path, questions)
    assert after == before
    assert after[1][0] is BudgetError


def test_other_words_are_counted_and_another_purpose_is_an_error(tmp_path):
    _, it = recorded(tmp_path, [GOOD, GOOD, GOOD], [question()] * 3)
    asked = [question(words="How deep?"), question(), question(str, purpose="code")]
    found, _, replay = replayed(it.path, asked)
    assert found[:2] == [Wish(**GOOD)] * 2
    assert replay.differing == 1
    assert found[2][0] is LlmError
    assert "call 3 of the transcript" in found[2][1]
    assert "was for plan, and now a question for code" in found[2][1]


def test_a_transcript_at_its_end_says_so(tmp_path):
    _, it = recorded(tmp_path, [GOOD], [question()])
    found, _, _ = replayed(it.path, [question(), question(purpose="repair")])
    assert found[1][0] is LlmError
    assert "ends after 1 calls, and a question for repair follows" in found[1][1]


def test_a_resumed_replay_goes_on_where_it_was(tmp_path):
    steps = [{"action": "go", "width": width} for width in range(3)]
    _, it = recorded(tmp_path, steps, [question()] * 3)
    found, calls, _ = replayed(it.path, [question()], skip=2)
    assert found[0].width == 2
    assert calls[0].number == 3
    with pytest.raises(UsageError, match="shorter"):
        Replay(it.path, calls.append, skip=4)


def altered(line, **changes):
    return json.dumps({**json.loads(line), **changes}).encode()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda line: b"", "holds no question"),
        (lambda line: b"{", "line 1 of the transcript .* is no call"),
        (lambda line: b"\xff\xfe\n", "line 1"),
        (lambda line: b"[]\n", "line 1"),
        (lambda line: line + b"\n" + line + b"\n", "line 2 .* says that it is call 1"),
        (lambda line: line + b"\n" + b"x" * 100, "line 2"),
        (lambda line: altered(line, number=0), "number"),
        (lambda line: altered(line, reply=5), "reply"),
        (lambda line: altered(line, prompt_tokens=-1), "prompt_tokens"),
        (lambda line: altered(line, cost_usd="1e999"), "cost_usd"),
        (lambda line: altered(line, end="perhaps"), "end"),
        (lambda line: altered(line, extra=1), "extra"),
        (lambda line: altered(line, messages=[{"role": "tool", "content": ""}]), r"messages\.0\.role"),
        (lambda line: line[:200], "line 1"),
        (lambda line: b"[" * 1_000_000, "line 1"),
        (lambda line: b"9" * 17_000_000, "line 1 .* longer than"),
    ],
)
def test_a_hostile_or_broken_file_is_refused_with_its_line(tmp_path, make, words):
    _, it = recorded(tmp_path, [GOOD], [question()])
    path = tmp_path / "hostile.jsonl"
    path.write_bytes(make(it.path.read_bytes().rstrip(b"\n")))
    with pytest.raises(UsageError, match=words):
        ask_thrice(path)


def ask_thrice(path):
    replay = Replay(path, lambda _: None)
    for _ in range(3):
        replay.ask(question())


@pytest.mark.parametrize("name", ["none", "."])
def test_a_file_that_is_not_there_is_a_mistake_of_the_command_line(tmp_path, name):
    with pytest.raises(UsageError, match="cannot be read"):
        Replay(tmp_path / name, lambda _: None)


def test_a_file_that_is_none_is_not_waited_for(tmp_path):
    import os

    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(UsageError, match="no file"):
        Replay(tmp_path / "fifo", lambda _: None)


def test_a_replay_does_not_answer_from_what_it_adds_itself(tmp_path):
    _, it = recorded(tmp_path, [GOOD], [question()])
    with Transcript(it.path) as transcript:
        found, _, _ = replayed(it.path, [question(), question()], transcript=transcript)
    assert found[1][0] is LlmError


def test_a_transcript_goes_on_behind_its_last_whole_line(tmp_path):
    _, it = recorded(tmp_path, [GOOD], [question()])
    whole = it.path.read_bytes()
    it.path.write_bytes(whole + b'{"number": 2, "at": "20')
    with Transcript(it.path) as transcript:
        assert transcript.following == 2
    assert it.path.read_bytes() == whole
