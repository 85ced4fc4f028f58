"""The client against a real server on the loopback interface, through LiteLLM as it is installed."""

import threading

import pytest

from fakes.llm_server import CutOff, Drip, Flood, Raw, Refuse, Reset, Say, Stall, Trickle, scripted
from fumehood.errors import LlmError, UnusableAnswerError
from fumehood.llm import library
from llm.kit import KEY, MODEL, Wish, asking, question

pytestmark = pytest.mark.unit
GOOD = {"action": "go", "width": 3}
WISH = Wish(action="go", width=3)


def ask(steps, folder, asked=None, **more):
    """The answer, what was asked with, and the requests that the server saw."""
    with scripted(steps) as server:
        it = asking(server, folder, **more)
        return it.client.ask(asked or question()), it, server.requests


def refused(steps, folder, kind=LlmError, **more):
    with scripted(steps) as server:
        it = asking(server, folder, **more)
        with pytest.raises(kind) as caught:
            it.client.ask(question())
    assert type(caught.value) is kind
    assert caught.value.__context__ is None
    assert caught.value.hint
    return caught.value.what, it, server.requests


# ---- dialects --------------------------------------------------------------------------------------------------------


def test_an_openai_compatible_server_is_asked_as_users_of_ollama_write_it(tmp_path):
    answer, it, (request,) = ask([GOOD], tmp_path, model="gpt-oss:20b")
    assert answer == WISH
    assert (request.path, request.body["model"]) == ("/v1/chat/completions", "gpt-oss:20b")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.body["response_format"]["json_schema"]["schema"]["required"] == ["action", "width"]
    assert it.client.name == "openai/gpt-oss:20b"


@pytest.mark.parametrize(
    ("model", "path", "header"),
    [
        ("meta-llama/Llama-3", "/v1/chat/completions", "authorization"),
        ("ollama_chat/llama3", "/api/chat", "authorization"),
        ("anthropic/claude-sonnet-4-5", "/v1/messages", "x-api-key"),
        ("azure/gpt-4o", "/openai/deployments/gpt-4o/chat/completions", "api-key"),
        ("hosted_vllm/qwen", "/chat/completions", "authorization"),
        ("openrouter/auto", "/chat/completions", "authorization"),
        ("deepseek/deepseek-chat", "/chat/completions", "authorization"),
        ("mistral/mistral-small", "/v1/chat/completions", "authorization"),
        ("lm_studio/qwen", "/chat/completions", "authorization"),
    ],
)
def test_every_dialect_goes_over_the_one_wire(tmp_path, model, path, header):
    with scripted([GOOD]) as server:
        url = server.url if model.startswith("meta") else server.root
        assert asking(server, tmp_path, model=model, url=url).client.ask(question()) == WISH
        assert server.requests[0].path == path
        assert server.requests[0].headers[header].endswith(KEY)
        nowhere = asking(server, tmp_path, model=model, url=url, permits=lambda _: False)
        with pytest.raises(LlmError, match="the floor of this machine"):
            nowhere.client.ask(question())
        assert len(server.requests) == 1


@pytest.mark.parametrize("provider", sorted(library.BY_HANDLER))
def test_no_provider_s_handler_goes_around_the_wire(tmp_path, provider):
    with scripted([]) as server:
        nowhere = asking(server, tmp_path, model=f"{provider}/abc", url=server.url, permits=lambda _: False)
        with pytest.raises(LlmError, match="the floor of this machine"):
            nowhere.client.ask(question(str))
        assert server.requests == []


def test_a_local_server_needs_no_key_and_sees_none_of_the_environment_s(tmp_path, monkeypatch):
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OLLAMA_API_KEY"):
        monkeypatch.setenv(name, "sk-of-somebody-else-1")
    for number, model in enumerate(("m", "ollama_chat/m", "anthropic/m")):
        _, _, (request,) = ask([GOOD], tmp_path / str(number), model=model, key=None)
        assert "somebody" not in str(request.headers)


def test_an_ollama_server_is_told_how_long_a_question_may_be(tmp_path):
    for number, (words, room) in enumerate([("short", 8192), ("x" * 40_000, 16384)]):
        asked = question(words=words)
        _, _, (request,) = ask([GOOD], tmp_path / str(number), asked, model="ollama_chat/llama3")
        assert request.body["options"]["num_ctx"] == room


def test_text_comes_as_it_is_and_is_not_asked_for_by_a_schema(tmp_path):
    source = "import torch\n\nx = {1: 2,}\n"
    answer, _, (request,) = ask([source], tmp_path, question(str))
    assert answer == source
    assert "response_format" not in request.body
    assert request.words == "You design networks.\nHow wide?"
    assert request.body["max_tokens"] == 400


# ---- answers that need help ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 422])
def test_a_server_that_refuses_the_schema_is_asked_without_it_from_then_on(tmp_path, status):
    steps = [Refuse(status, "response_format: unsupported"), GOOD, GOOD]
    with scripted(steps) as server:
        it = asking(server, tmp_path)
        assert it.client.takes_schema is None
        assert it.client.ask(question()) == it.client.ask(question()) == WISH
    assert ["response_format" in one.body for one in server.requests] == [True, False, False]
    assert '"width"' in server.requests[1].words
    assert it.client.takes_schema is False
    assert [line.end for line in it.lines()] == ["retried", "answered", "answered"]
    assert it.slept == []


def test_a_question_that_is_refused_with_and_without_schema_does_not_blame_the_schema(tmp_path):
    what, it, requests = refused([Refuse(400, "maximum context length is 512 tokens")] * 2, tmp_path)
    assert "too long" in what
    assert len(requests) == 2
    assert it.client.takes_schema is None


def test_a_broken_answer_is_quoted_back_once_with_what_is_wrong(tmp_path):
    answer, it, requests = ask([{"action": "fly", "width": 3}, GOOD], tmp_path)
    assert answer == WISH
    roles = [one["role"] for one in requests[1].body["messages"]]
    assert roles == ["system", "user", "assistant", "user"]
    assert "fly" in requests[1].body["messages"][2]["content"]
    assert "Input should be 'go' or 'stop'" in requests[1].body["messages"][3]["content"]
    assert [(one.end, bool(one.failure)) for one in it.lines()] == [("answered", True), ("answered", False)]


def test_an_answer_that_was_cut_off_is_asked_for_again_and_told_so(tmp_path):
    answer, _, requests = ask([Say('{"action": "go", "wid', finish="length"), GOOD], tmp_path)
    assert answer == WISH
    assert "cut off" in requests[1].words


def test_an_empty_answer_is_asked_for_again(tmp_path):
    answer, _, requests = ask(["", GOOD], tmp_path)
    assert answer == WISH
    assert "Your answer was empty" in requests[1].words
    assert [one["role"] for one in requests[1].body["messages"]] == ["system", "user", "user"]


def test_two_unusable_answers_are_an_error_of_their_own(tmp_path):
    what, it, requests = refused(["no idea", {"action": "go"}], tmp_path, kind=UnusableAnswerError)
    assert "width: Field required" in what
    assert len(requests) == len(it.calls) == 2


def test_a_server_that_reads_half_of_the_question_is_found_out(tmp_path):
    steps = [Say("what?", usage=(2048, 3))] * 2
    for number, (words, told) in enumerate([("x" * 60_000, True), ("x" * 9000, False)]):
        with scripted(steps) as server:
            it = asking(server, tmp_path / str(number))
            with pytest.raises(UnusableAnswerError) as caught:
                it.client.ask(question(words=words))
        assert ("read only a part" in caught.value.hint) is told


def test_unicode_traps_come_through(tmp_path):
    note = "é \u202e \x00 \N{GRINNING FACE} \u2028 ﷽ 你好"
    answer, it, _ = ask([{**GOOD, "note": note}], tmp_path)
    assert answer.note == note
    assert it.path.read_bytes().isascii()
    text, _, _ = ask(["half \ud800 a character"], tmp_path, question(str))
    assert text == "half \ufffd a character"


# ---- failures --------------------------------------------------------------------------------------------------------


def test_a_busy_server_is_waited_for_as_long_as_it_asks(tmp_path):
    steps = [Refuse(429, "slow down", {"Retry-After": "7"}), Refuse(503), Refuse(500), GOOD]
    answer, it, requests = ask(steps, tmp_path)
    assert answer == WISH
    assert it.slept[0] == 7
    assert all(0 <= pause <= 30 for pause in it.slept[1:])
    assert len(requests) == len(it.calls) == 4
    assert [line.end for line in it.lines()] == ["retried", "retried", "retried", "answered"]
    assert [call.cost_usd for call in it.calls] == [0.0, 0.0, 0.0, None]


def test_waits_between_tries_can_be_made_shorter(tmp_path):
    _, it, _ = ask([Refuse(500), Refuse(500), GOOD], tmp_path, backoff_s=0)
    assert it.slept == [0, 0]


def test_tries_are_bounded(tmp_path):
    what, it, requests = refused([Refuse(500, "out of memory")] * 9, tmp_path, max_retries=2)
    assert len(requests) == 3
    assert len(it.slept) == 2
    assert "failed (500): out of memory" in what
    assert [line.end for line in it.lines()] == ["retried", "retried", "failed"]


@pytest.mark.parametrize("after", ["3600", "Fri, 31 Dec 2100 23:59:59 GMT"])
def test_nobody_waits_an_hour(tmp_path, after):
    what, it, requests = refused([Refuse(429, "slow down", {"Retry-After": after})], tmp_path, timeout_s=5000)
    assert "asks to wait" in what
    assert (len(requests), it.slept) == (1, [])


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (Refuse(401, "who are you"), r"does not let openai/gpt-oss:20b be asked \(401\): the key was refused: who"),
        (Refuse(403), "403"),
        (Refuse(404, "model not found"), "knows no model"),
        (Refuse(429, "You exceeded your current quota", code="insufficient_quota"), "used up"),
        (Refuse(418, "I am a teapot"), r"refused the question \(418\): I am a teapot"),
        (Raw(b"<html>hello</html>", "text/html; charset=utf-8"), "of type text/html"),
        (Raw(b"gone", "text/plain", 302, {"Location": "http://elsewhere.example/v1"}), "sends elsewhere"),
        (Raw(b"{]"), "no answer of a language model"),
        (Raw(b"{}"), "no answer of a language model"),
        (Raw(b"null"), "no answer of a language model"),
        (Raw(b""), "no answer of a language model"),
        (Raw(b'{"choices": []}'), "no answer of a language model"),
        (Raw(b"\x1f\x8b", headers={"Content-Encoding": "gzip"}), "compressed"),
        (Flood(10 * 2**20), "more than 2 MiB"),
    ],
)
def test_what_will_not_pass_is_said_at_once(tmp_path, step, words):
    with scripted([step]) as server:
        it = asking(server, tmp_path)
        with pytest.raises(LlmError, match=words) as caught:
            it.client.ask(question(str))
    assert (len(server.requests), it.slept) == (1, [])
    assert len(caught.value.what) < 600
    assert it.calls[-1].failure == caught.value.what


@pytest.mark.parametrize(
    "model", ["ollama_chat/m", "ollama_chat/llama3", "anthropic/claude-sonnet-4-5", "azure/gpt-4o"]
)
@pytest.mark.parametrize(
    ("step", "words"),
    [
        (Refuse(404, "no such model"), "knows no model"),
        (Refuse(401, "who are you"), "the key was refused: who are you"),
        (Refuse(418, "I am a teapot"), "I am a teapot"),
        (Raw(b"<html>", "text/html"), "text/html"),
        (Raw(b'{"hello": 1}'), 'begins with: {"hello": 1}'),
        (Flood(3 * 2**20), "more than 2 MiB"),
        (Reset(), "broke off before"),
        (CutOff("a long answer"), "broke off within"),
        (Refuse(529, "overloaded"), "failed (529): overloaded"),
    ],
    ids=repr,
)
def test_other_dialects_failures_are_told_by_what_was_seen(tmp_path, model, step, words):
    with scripted([step]) as server:
        it = asking(server, tmp_path, model=model, url=server.root, max_retries=0)
        with pytest.raises(LlmError) as caught:
            it.client.ask(question(str))
    assert words in caught.value.what
    assert server.root in caught.value.what
    assert len(server.requests) == len(it.calls) == 1


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (Stall(), "gave no complete answer within 1 s"),
        (Trickle(), "gave no complete answer within 1 s"),
        (Drip(), "gave no complete answer within 1 s"),
        (Reset(), "broke off before an answer"),
        (CutOff("a long answer"), "broke off within the answer"),
    ],
)
def test_what_may_pass_is_tried_again(tmp_path, step, words):
    timeout_s = 1.0 if isinstance(step, Stall | Trickle | Drip) else 20.0
    answer, it, _ = ask([step, GOOD, GOOD, GOOD], tmp_path, timeout_s=timeout_s)
    assert answer == WISH
    assert words in it.failures()[0]
    assert it.slept
    assert it.calls[0].prompt_tokens > 0  # it may have been read, and so have its price


@pytest.mark.parametrize("step", [Trickle(), Stall()])
def test_nothing_goes_on_waiting_for_a_reply_that_is_late(tmp_path, step):
    with scripted([step, GOOD, GOOD, GOOD]) as server:
        asking(server, tmp_path, timeout_s=1.0).client.ask(question())
        readers = [thread for thread in threading.enumerate() if thread.name == "question"]
        for reader in readers:
            reader.join(20)
        assert not any(reader.is_alive() for reader in readers)


def test_a_server_that_is_not_there_is_named(tmp_path):
    with scripted([]) as server:
        pass
    it = asking(server, tmp_path, max_retries=1)
    with pytest.raises(LlmError, match="nothing answers at http://127"):
        it.client.ask(question())
    assert [line.end for line in it.lines()] == ["retried", "failed"]


def test_a_huge_reply_is_not_kept(tmp_path):
    _, it, _ = refused([Flood(10 * 2**20)], tmp_path)
    assert it.path.stat().st_size < 10_000


def test_a_text_beyond_the_cap_counts_as_cut_off(tmp_path):
    answer, it, requests = ask([Flood(400_000), "short"], tmp_path, question(str))
    assert answer == "short"
    assert "too long" in requests[1].words
    assert len(it.lines()[0].reply) == 300_000


# ---- the second model ------------------------------------------------------------------------------------------------


def test_a_second_model_is_asked_where_the_first_fails_and_stays(tmp_path):
    with scripted([Refuse(500), Refuse(500), GOOD, GOOD]) as server:
        it = asking(server, tmp_path, fallback="small", max_retries=1)
        assert it.client.ask(question()) == it.client.ask(question()) == WISH
    assert [one.body["model"] for one in server.requests] == [MODEL, MODEL, "small", "small"]
    assert [call.model for call in it.calls] == [f"openai/{MODEL}"] * 2 + ["openai/small"] * 2


def test_where_neither_answers_both_are_named(tmp_path):
    what, it, _ = refused([Refuse(401, "no entry"), Refuse(404, "no model")], tmp_path, fallback="small")
    assert "no entry" in what
    assert "no model" in what
    assert [line.end for line in it.lines()] == ["retried", "failed"]


# ---- on record -------------------------------------------------------------------------------------------------------


def test_every_call_is_on_record_and_told_of(tmp_path):
    import hashlib

    _, it, _ = ask(["nonsense", Say('{"action": "go", "width": 3}', usage=(70, 9))], tmp_path)
    assert [call.number for call in it.calls] == [1, 2]
    written = it.path.read_bytes().splitlines()
    assert [call.digest for call in it.calls] == [hashlib.sha256(line).hexdigest() for line in written]
    call = it.calls[1]
    assert (call.purpose, call.phase, call.prompt_tokens, call.completion_tokens) == ("plan", "planning", 70, 9)
    assert (call.cost_usd, call.failure) == (None, "")
    assert it.calls[0].failure
    assert it.lines()[1].reply == '{"action": "go", "width": 3}'
    assert it.path.stat().st_mode & 0o777 == 0o600


def test_a_server_that_counts_no_tokens_is_counted_for(tmp_path):
    _, it, _ = ask([Say('{"action": "go", "width": 3}', usage=None)], tmp_path)
    (line,) = it.lines()
    assert line.tokens == "estimated"
    assert line.prompt_tokens > 20
    assert line.completion_tokens > 5


def test_an_interrupt_is_on_record_before_it_goes_on(tmp_path):
    def interrupt(_):
        import os
        import signal

        os.kill(os.getpid(), signal.SIGINT)
        return Stall()

    with scripted([interrupt]) as server:
        it = asking(server, tmp_path, timeout_s=10)
        with pytest.raises(KeyboardInterrupt):
            it.client.ask(question())
    assert it.failures() == ["interrupted before the answer came"]
    assert it.calls[0].prompt_tokens > 0


def test_a_session_sends_for_nobody_else():
    from fumehood.errors import InternalError

    with pytest.raises(InternalError):
        library.litellm().client_session.get("http://127.0.0.1:1/")
