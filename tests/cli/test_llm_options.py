"""The options that name a language model, and the doctor that asks it, as users type them."""

import pytest
from commands import fumehood, started

from fakes.llm_server import Refuse, scripted

pytestmark = pytest.mark.unit
KEY = "sk-of-a-user-12345678901"
NONE = dict.fromkeys(("FUMEHOOD_LLM_MODEL", "FUMEHOOD_LLM_BASE_URL", "FUMEHOOD_LLM_API_KEY", "OPENAI_API_KEY"), "")
GOOD = {"larger": 12}


def doctor(*arguments, **environment):
    return fumehood("doctor", "--llm", *arguments, **(NONE | environment))


def at(server, model="gpt-oss:20b"):
    return ("--llm-base-url", server.url, "--llm-model", model)


def test_the_doctor_asks_one_small_question(tmp_path):
    with scripted([GOOD]) as server:
        done = doctor(*at(server), "--json")
    found = done.json
    assert done.code == found["exit_code"] == 0
    assert found["passed"]
    assert (found["model"], found["structured_output"]) == ("openai/gpt-oss:20b", "schema")
    assert (found["prompt_tokens"], found["completion_tokens"], found["cost_usd"]) == (100, 20, None)
    assert found["latency_s"] > 0
    (request,) = server.requests
    assert len(request.words) < 500


def test_the_doctor_tells_people_what_it_saw():
    with scripted([Refuse(400, "response_format?"), GOOD]) as server:
        done = doctor(*at(server))
    assert done.code == 0
    assert "takes no JSON schema" in done.out
    assert "unknown" in done.out
    assert done.out.endswith("The language model can be used.\n")


def test_the_environment_configures_it_and_keeps_the_key_to_itself():
    with scripted([lambda request: Refuse(401, str(dict(request.headers)))]) as server:
        environment = {"FUMEHOOD_LLM_MODEL": "m", "FUMEHOOD_LLM_BASE_URL": server.url, "FUMEHOOD_LLM_API_KEY": KEY}
        done = doctor("--json", **environment)
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert done.code == done.json["exit_code"] == 7
    assert "the key was refused" in done.json["checks"][-1]["seen"]
    assert KEY not in done.out + done.err


def test_a_key_on_the_command_line_is_warned_of_and_one_in_a_file_is_not(tmp_path):
    path = tmp_path / "key"
    path.write_text(KEY)
    path.chmod(0o600)
    with scripted([GOOD, GOOD]) as server:
        flag = doctor(*at(server), "--llm-api-key", KEY)
        file = doctor(*at(server), "--llm-api-key-file", str(path))
        assert [one.headers["authorization"] for one in server.requests] == [f"Bearer {KEY}"] * 2
    assert "other users of this machine can see the key" in flag.err
    assert "other users" not in file.err
    assert KEY not in flag.out + flag.err + file.out + file.err


@pytest.mark.parametrize("answer", [{"larger": 7}, "twelve", {"larger": "twelve"}])
def test_a_model_that_cannot_answer_in_form_is_told_of(answer):
    with scripted([answer, answer]) as server:
        done = doctor(*at(server), "--json")
    assert done.code == 7
    assert done.json["structured_output"] == "no"
    assert not done.json["passed"]


def test_a_server_that_is_not_there_is_exit_seven():
    done = doctor("--llm-base-url", "http://127.0.0.1:1/v1", "--llm-model", "m", "--json")
    assert done.code == 7
    assert "nothing answers at http://127.0.0.1:1/v1" in done.json["checks"][-1]["seen"]
    assert done.json["checks"][-1]["hint"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("doctor", "--llm"), "no language model is configured"),
        (("doctor", "--llm", "--llm-base-url", "http://localhost:1/v1"), "no model"),
        (("doctor", "--llm", "--llm-model", "m", "--llm-base-url", f"http://{KEY}@host/v1"), "none that can be asked"),
        (("doctor", "--llm", "--llm-model", "m", "--llm-base-url", "http://h/v1", "--llm-api-key", "a b"), "no key"),
        (("doctor", "--llm", "--llm-api-key", "k"), "no language model"),
        (("doctor", "--llm", "--llm-model", "m"), "not known where"),
        (("doctor", "--llm", "--attacks"), "two examinations"),
        (("doctor", "--llm-model", "m"), "--llm-model goes with --llm"),
        (("doctor", "--llm", "--llm-timeout", "0"), "not above zero"),
    ],
)
def test_what_cannot_be_meant_is_a_mistake_of_the_command_line(arguments, words):
    done = fumehood(*arguments, "--json", **NONE)
    assert done.code == 2
    assert words in done.json["error"]["message"]
    assert done.json["error"]["hint"]
    assert KEY not in done.out + done.err


def test_the_floor_binds_before_anything_is_asked(tmp_path):
    path = tmp_path / "floor.toml"
    path.write_text('[llm]\nhosts = ["llm.institute.example"]\n')
    path.chmod(0o600)
    with scripted([GOOD]) as server:
        done = doctor(*at(server), "--json", FUMEHOOD_POLICY_FLOOR=str(path))
        assert server.requests == []
    assert done.code == 2
    assert done.json["error"]["kind"] == "policy"


def test_nothing_of_a_question_stays_on_the_disk(tmp_path):
    with scripted([GOOD]) as server:
        doctor(*at(server), TMPDIR=str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_it_says_nothing_else_in_an_interpreter_of_its_own():
    with scripted([GOOD]) as server:
        done = started("doctor", "--llm", *at(server), "--json")
    assert done.json["passed"]
    assert done.err == "doctor: loading LiteLLM\ndoctor: asking openai/gpt-oss:20b\n"
