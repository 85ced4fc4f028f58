"""Where model, address and key come from, and which of them wins; and that a key goes to nobody but whom it is for."""

import pytest
from pydantic import SecretStr

from fumehood import floor
from fumehood.errors import PolicyError, UsageError
from fumehood.llm import settings as configured

pytestmark = pytest.mark.unit
LOCAL = "http://localhost:11434/v1"
KEY = "file-key-0123456789"


def found(model=None, url=None, environment=None, **more):
    return configured.settings(model, url, environment=environment or {}, **more)


def key(settings, environment=None, **more):
    keys = configured.keys(settings, environment=environment or {}, **more)
    return (keys.first.get_secret_value() if keys.first else None), keys.source


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / "key"
    path.write_text(f"{KEY}\n")
    path.chmod(0o600)
    return path


def test_without_a_model_nothing_is_configured():
    assert found() is None


def test_the_environment_configures_and_arguments_win():
    environment = {"FUMEHOOD_LLM_MODEL": "llama3", "FUMEHOOD_LLM_BASE_URL": LOCAL}
    assert found(environment=environment).model == "openai/llama3"
    assert found("qwen", "http://other:1/v1", environment).model == "openai/qwen"
    assert found("qwen", "http://other:1/v1", environment).base_url == "http://other:1/v1"


def test_an_address_without_a_model_is_a_mistake():
    with pytest.raises(UsageError, match="no model"):
        found(url=LOCAL)


def test_the_flag_wins_over_the_file_and_the_file_over_the_environment(key_file):
    environment = {"FUMEHOOD_LLM_API_KEY": "of-the-environment"}
    settings = found("m", LOCAL)
    assert key(settings, environment, flag="of-the-flag", file=key_file) == ("of-the-flag", "flag")
    assert key(settings, environment, file=key_file) == (KEY, "file")
    assert key(settings, environment) == ("of-the-environment", "environment")
    assert key(settings) == (None, "none")


@pytest.mark.parametrize(
    ("model", "url", "variable"),
    [
        ("gpt-4o", None, "OPENAI_API_KEY"),
        ("gpt-4o", "https://api.openai.com/v1", "OPENAI_API_KEY"),
        ("claude-sonnet-4-5", None, "ANTHROPIC_API_KEY"),
        ("x", "https://institute.openai.azure.com", "AZURE_API_KEY"),
        ("groq/llama", None, "GROQ_API_KEY"),
        ("a/b", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    ],
)
def test_a_provider_s_own_variable_holds_its_key(model, url, variable):
    assert key(found(model, url), {variable: "own-key-1"}) == ("own-key-1", "environment")
    assert key(found(model, url), {variable: "own-key-1", "FUMEHOOD_LLM_API_KEY": "ours"}) == ("ours", "environment")


@pytest.mark.parametrize("url", [LOCAL, "https://evil.example/v1", "https://api.openai.com.evil.example/v1"])
def test_a_provider_s_own_key_goes_to_no_other_server(url):
    environment = {"OPENAI_API_KEY": "sk-own", "ANTHROPIC_API_KEY": "sk-ant"}
    assert key(found("gpt-4o", url), environment) == (None, "none")
    assert key(found("anthropic/claude", url), environment) == (None, "none")


def test_a_provider_s_own_variables_may_say_where_it_is():
    environment = {"OPENAI_BASE_URL": "http://proxy.institute:8/v1", "OPENAI_API_KEY": "for-the-proxy"}
    settings = found("gpt-4o", environment=environment)
    assert settings.base_url == "http://proxy.institute:8/v1"
    assert key(settings, environment) == ("for-the-proxy", "environment")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_key_file_that_others_can_read_is_refused(key_file, mode):
    key_file.chmod(mode)
    with pytest.raises(UsageError) as caught:
        key(found("m", LOCAL), file=key_file)
    assert "chmod 600" in caught.value.hint


@pytest.mark.parametrize("content", [b"", b"\n", b"two words", b"k\xff", b"\x00\x01", b"a\nb", "schlüssel".encode()])
def test_a_file_without_a_key_is_refused_and_not_quoted(key_file, content):
    key_file.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        key(found("m", LOCAL), file=key_file)
    assert "two" not in caught.value.what


def test_a_key_file_has_to_be_there(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        key(found("m", LOCAL), file=tmp_path / "none")


def test_neither_settings_nor_keys_show_a_key():
    settings = found("m", LOCAL)
    keys = configured.keys(settings, environment={}, flag=KEY)
    assert keys.first == SecretStr(KEY)
    assert KEY not in f"{keys!r} {keys} {settings!r} {settings.model_dump_json()}"


def test_a_fallback_is_asked_where_the_first_is_unless_it_names_another_provider():
    environment = {"ANTHROPIC_API_KEY": "ant-key-1"}
    near = found("m", LOCAL, environment, fallback="small")
    assert (near.fallback_model, near.fallback_base_url) == ("openai/small", LOCAL)
    assert configured.keys(near, environment=environment, flag=KEY).fallback == SecretStr(KEY)
    far = found("m", LOCAL, environment, fallback="anthropic/claude")
    assert (far.fallback_model, far.fallback_base_url) == ("anthropic/claude", "https://api.anthropic.com")
    assert configured.keys(far, environment=environment, flag=KEY).fallback == SecretStr("ant-key-1")


@pytest.fixture
def only(tmp_path):
    """An environment whose floor names the hosts that may be asked."""

    def environment(*hosts):
        path = tmp_path / "floor.toml"
        path.write_text(f"[llm]\nhosts = {list(hosts)!r}\n")
        path.chmod(0o600)
        return {floor.VARIABLE: str(path)}

    return environment


def test_the_floor_s_hosts_bind_model_and_fallback(only):
    allowed = only("localhost")
    assert found("m", LOCAL, allowed).base_url == LOCAL
    with pytest.raises(PolicyError, match=r"api\.openai\.com"):
        found("gpt-4o", environment=allowed)
    with pytest.raises(PolicyError, match=r"api\.anthropic\.com"):
        found("m", LOCAL, allowed, fallback="anthropic/claude")
    with pytest.raises(PolicyError):
        found("m", LOCAL, only())


@pytest.mark.parametrize(("model", "url"), [("groq/llama", None), ("bedrock/claude", "http://localhost:1/v1")])
def test_under_a_floor_a_provider_whose_address_is_not_known_is_refused(only, model, url):
    with pytest.raises(PolicyError, match="not known beforehand"):
        found(model, url, only("localhost"))
