"""The key goes to the server that it is for and nowhere else: to no file, message, log or print of anything."""

import io
import logging
import traceback

import pytest

from fakes.llm_server import Raw, Refuse, Reset, Stall, scripted
from fumehood.errors import FumehoodError
from fumehood.llm.redaction import REDACTED, Redactor, secrets_of
from llm.kit import KEY, asking, question

pytestmark = pytest.mark.unit
OTHER = "sk-proj-Another1Key2That3Is4In5The6Environment"


@pytest.fixture
def everything_logged():
    """All that any logger of this process says, at any level."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(1)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def echo(request):
    """A server that repeats whatever it is sent."""
    return f"You sent {dict(request.headers)}, and I know {OTHER}."


@pytest.mark.parametrize(
    "step",
    [
        echo,
        {"action": "go", "width": 3, "note": KEY},
        lambda request: Refuse(401, f"wrong key {dict(request.headers)} {OTHER}"),
        lambda request: Refuse(500, f"Traceback: key={KEY}"),
        Raw(f"{{{KEY}".encode()),
        Raw(KEY.encode(), f"text/{KEY}"),
        Raw(b"", status=302, headers={"Location": f"http://x.example/{KEY}"}),
        Reset(),
        Stall(),
    ],
)
@pytest.mark.parametrize("model", ["m", "ollama_chat/m", "anthropic/m"])
def test_no_artifact_of_a_session_holds_a_key(tmp_path, capfd, everything_logged, step, model):
    with scripted([step] * 8) as server:
        it = asking(server, tmp_path, model=model, max_retries=1, timeout_s=0.5, environment={"X_API_KEY": OTHER})
        told, before = "", []
        for asked in (question(), question(str, words=f"My key is {KEY}, keep it.")):
            try:
                told += repr(it.client.ask(asked))
            except FumehoodError as error:
                told += "".join(traceback.format_exception(error)) + error.what + error.hint + repr(error.__dict__)
                before += [error.__cause__, error.__context__]
        assert KEY in str(server.requests[0].headers)  # where it belongs
    assert set(before) <= {None}
    captured = capfd.readouterr()
    seen = {
        "errors": told,
        "calls": repr(it.calls) + "".join(call.model_dump_json() for call in it.calls),
        "transcript": it.path.read_text(),
        "client": repr(it.client) + repr(it.client._settings) + repr(it.client._keys) + repr(it.client._routes),
        "log": everything_logged.getvalue(),
        "stdout": captured.out,
        "stderr": captured.err,
    }
    for place, text in seen.items():
        for part in (KEY, KEY[6:], OTHER, OTHER[8:]):
            assert part not in text, place


@pytest.mark.parametrize(
    "key",
    [
        "sk-abcdefghijklmnop1234", "sk-ant-api03-abcdefghij-klmnop_1234", "gsk_abcdefghijklmnop1234",
        "hf_abcdefghijklmnop1234", "AIzaSyA1234567890abcdefghijklmnopqrstuv", "AKIAABCDEFGHIJKLMNOP",
        "eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSMeK",
    ],
)  # fmt: skip
def test_what_looks_like_a_key_is_taken_out(key):
    assert key not in Redactor([]).clean(f"see {key}, and 'Authorization: Bearer {key}'")


@pytest.mark.parametrize(
    "text",
    [
        "import sklearn as sk\nsk-learn", "hf_transformer = hf_block_with_attention_and_dropout(x)", "sk-" + "a" * 40,
        "Bearer of bad news", "task-specific-normalisation-of-inputs", "lr=1e-3", "mask-" + "1" * 30,
    ],
)  # fmt: skip
def test_ordinary_words_and_code_stay(text):
    assert Redactor(["short"]).clean(text) == text


def test_known_secrets_are_found_as_they_are_and_as_an_address_has_them():
    redactor = Redactor([KEY])
    assert redactor.clean(f"a{KEY}b") == f"a{REDACTED}b"
    assert "Secret" not in redactor.clean("x?key=Quite-1-Secret%2FKey%2B0123456789")
    assert KEY not in repr(redactor)


def test_secrets_of_the_environment_are_known_by_their_names():
    environment = {"OPENAI_API_KEY": "a" * 12, "HF_TOKEN": "b" * 12, "KEYBOARD": "c" * 12, "HOME": "/root/somewhere"}
    assert secrets_of(environment) == {"a" * 12, "b" * 12}
