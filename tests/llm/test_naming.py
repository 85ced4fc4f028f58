"""A name and an address as users write them lead to the name that LiteLLM asks by."""

import pytest

from fumehood.errors import UsageError
from fumehood.llm import library, naming

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("model", "url", "full"),
    [
        ("gpt-oss:20b", "http://localhost:11434/v1", "openai/gpt-oss:20b"),
        ("gpt-oss:20b", "http://localhost:11434/v1/", "openai/gpt-oss:20b"),
        ("llama3.2", "http://localhost:11434", "ollama_chat/llama3.2"),
        ("llama3.2", "http://localhost:11434/", "ollama_chat/llama3.2"),
        ("library/llama3.2", "http://gpu-7:11434", "ollama_chat/library/llama3.2"),
        ("gpt-4o-mini", "https://api.openai.com/v1", "openai/gpt-4o-mini"),
        ("gpt-4o-mini", "https://API.OpenAI.com/v1", "openai/gpt-4o-mini"),
        ("claude-sonnet-4-5", "https://api.anthropic.com", "anthropic/claude-sonnet-4-5"),
        ("claude-sonnet-4-5", "https://api.anthropic.com/v1", "anthropic/claude-sonnet-4-5"),
        ("our-gpt-4o", "https://institute.openai.azure.com", "azure/our-gpt-4o"),
        ("meta-llama/Llama-3.1-8B", "http://node3:8000/v1", "openai/meta-llama/Llama-3.1-8B"),
        ("claude-sonnet-4-5", "http://localhost:4000/v1", "openai/claude-sonnet-4-5"),
        ("qwen2.5-coder", "http://[::1]:1234/v1", "openai/qwen2.5-coder"),
        ("qwen2.5-coder", "http://localhost:8080", "openai/qwen2.5-coder"),
        ("anthropic/claude-sonnet-4.5", "https://openrouter.ai/api/v1", "openrouter/anthropic/claude-sonnet-4.5"),
        ("openrouter/auto", "https://openrouter.ai/api/v1", "openrouter/auto"),
        ("api.openai.com.evil.example", "https://api.openai.com.evil.example/v1", "openai/api.openai.com.evil.example"),
    ],
)
def test_an_address_gives_a_bare_name_its_provider(model, url, full):
    assert naming.named(model, url) == (full, url.rstrip("/"))


@pytest.mark.parametrize(
    "model", ["openai/gpt-4o", "ollama/llama3", "ollama_chat/llama3", "groq/llama-3.3-70b", "hosted_vllm/a/b"]
)
def test_a_name_with_a_provider_stays(model):
    assert naming.named(model, "http://localhost:8000/v1").full == model
    assert naming.named(model).full == model


@pytest.mark.parametrize(
    ("model", "full", "url"),
    [
        ("gpt-4o-mini", "openai/gpt-4o-mini", "https://api.openai.com/v1"),
        ("o3-mini", "openai/o3-mini", "https://api.openai.com/v1"),
        ("claude-sonnet-4-5", "anthropic/claude-sonnet-4-5", "https://api.anthropic.com"),
        ("gemini-2.5-pro", "gemini/gemini-2.5-pro", None),
        ("ollama_chat/llama3", "ollama_chat/llama3", "http://localhost:11434"),
        ("groq/llama-3.3-70b", "groq/llama-3.3-70b", None),
    ],
)
def test_without_an_address_the_maker_is_asked(model, full, url):
    assert naming.named(model) == (full, url)


@pytest.mark.parametrize("model", ["gpt-oss:20b", "meta-llama/Llama-3", "mistral", "openai"])
def test_a_name_that_says_nothing_needs_an_address(model):
    with pytest.raises(UsageError, match="not known where") as caught:
        naming.named(model)
    assert "--llm-base-url" in caught.value.hint


@pytest.mark.parametrize("model", ["", " ", "two words", "/x", "x/", "a\nb", "a\x1b[2J"])
def test_what_is_no_name_is_refused(model):
    with pytest.raises(UsageError, match="no name"):
        naming.named(model, "http://localhost:1/v1")


@pytest.mark.parametrize(
    "url",
    [
        "localhost:11434", "ftp://x/v1", "http://", "http://user:sk-verysecret@host/v1", "http://host/v1?key=secret",
        "http://host/a b", "http://host:99999/v1", "http://hö.st/v1", "file:///etc/passwd", "http://host\\@evil/v1",
        "http://host/v1#x", "http://host:port/v1",
    ],
)  # fmt: skip
def test_an_address_of_unusual_form_is_refused_and_not_repeated(url):
    with pytest.raises(UsageError) as caught:
        naming.named("m", url)
    assert "secret" not in caught.value.what + caught.value.hint


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://localhost:1", True), ("http://127.0.0.1/v1", True), ("http://[::1]:8/v1", True),
        ("http://127.0.0.1.evil.example/v1", False), ("https://api.openai.com/v1", False), ("http://10.0.0.1", False),
    ],
)  # fmt: skip
def test_it_is_known_what_stays_on_this_machine(url, local):
    assert naming.is_local(url) is local


def test_the_providers_are_those_of_the_installed_library():
    from litellm.llms.openai_like.json_loader import JSONProviderRegistry

    names = {str(getattr(one, "value", one)) for one in library.litellm().provider_list}
    assert names | set(JSONProviderRegistry.list_providers()) == naming.PROVIDERS
