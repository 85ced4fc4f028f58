"""A model's full name for LiteLLM, which wants to know from the name alone how the server is spoken to. Pure.

A name that begins with a provider that LiteLLM knows stays as it is. Any other gets one from the server's address, or
without an address from what its maker calls its models. The address is one that every client reads alike.
"""

import re
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from fumehood.errors import UsageError

PROVIDERS: Final = frozenset(
    {
        "a2a", "a2a_agent", "abliteration", "ai21", "ai21_chat", "aihubmix", "aiml", "aiohttp_openai", "amazon_nova",
        "anthropic", "anthropic_text", "apertis", "assemblyai", "auto_router", "aws_polly", "aws_textract", "azure",
        "azure_ai", "azure_speech", "azure_text", "baseten", "bedrock", "bedrock_mantle", "black_forest_labs",
        "bytez", "cerebras", "charity_engine", "chatgpt", "chutes", "clarifai", "cloudflare", "codestral",
        "cognition", "cohere", "cohere_chat", "cometapi", "compactifai", "cortecs", "crusoe", "cursor", "custom",
        "custom_openai", "darkbloom", "dashscope", "databricks", "datarobot", "deepgram", "deepinfra", "deepseek",
        "docker_model_runner", "dotprompt", "edenai", "elevenlabs", "empiriolabs", "empower", "fal_ai",
        "featherless_ai", "fireworks_ai", "friendliai", "galadriel", "gdc", "gemini", "gigachat", "github",
        "github_copilot", "gmi", "gradient_ai", "groq", "helicone", "heroku", "hosted_vllm", "huggingface",
        "humanloop", "hyperbolic", "inception", "infinity", "jina_ai", "lambda_ai", "langflow", "langfuse",
        "langgraph", "lemonade", "libertai", "litellm_agent", "litellm_proxy", "llamafile", "llamagate", "lm_studio",
        "manus", "maritalk", "meta", "meta_llama", "milvus", "minimax", "mistral", "modelscope", "mongodb",
        "moonshot", "morph", "nadir", "nano-gpt", "nebius", "neosantara", "nlp_cloud", "novita", "nscale",
        "nvidia_nim", "nvidia_riva", "oci", "ollama", "ollama_chat", "oobabooga", "openai", "openai_like",
        "openrouter", "ovhcloud", "parasail", "perplexity", "petals", "pg_vector", "pinstripes", "poe", "predibase",
        "prism", "publicai", "qwen_ai_platform", "qwencloud", "ragflow", "recraft", "reducto", "reka", "replicate",
        "runwayml", "s3_vectors", "sagemaker", "sagemaker_chat", "sagemaker_nova", "sail", "sambanova", "sap",
        "sarvam", "scaleway", "scx-ai", "snowflake", "soniox", "stability", "strands_decider", "synthetic", "tencent",
        "tensormesh", "text-completion-codestral", "text-completion-inception", "text-completion-openai",
        "together_ai", "topaz", "transcribe", "triton", "typesafe", "v0", "valkey", "veniceai", "vercel_ai_gateway",
        "vertex_ai", "vertex_ai_beta", "vllm", "volcengine", "voyage", "wandb", "watsonx", "watsonx_text", "xai",
        "xiaomi_mimo", "xinference", "zai",
    }
)  # fmt: skip
"""Of LiteLLM 1.106.2; a test holds them against what is installed, so that nothing has to import it to know them."""
OLLAMA_PORT: Final = 11434
HOMES: Final = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "openrouter": "https://openrouter.ai/api/v1",
    "ollama": f"http://localhost:{OLLAMA_PORT}",
    "ollama_chat": f"http://localhost:{OLLAMA_PORT}",
}
"""Where a provider is asked if no address is given."""
_MAKERS: Final = {
    "gpt-3": "openai", "gpt-4": "openai", "gpt-5": "openai", "chatgpt-": "openai",
    "o1": "openai", "o3": "openai", "o4": "openai", "claude-": "anthropic",
    "gemini-": "gemini",
}  # fmt: skip
_ADDRESS: Final = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?(/[!-\"$->@-~]*)?", re.IGNORECASE)
"""No user name, query, fragment, blank, or letter beyond ASCII."""


class Named(NamedTuple):
    full: str
    """``provider/name``, as LiteLLM takes it."""
    base_url: str | None
    """Where it is asked; None where only LiteLLM knows."""

    @property
    def provider(self) -> str:
        return self.full.partition("/")[0]


def named(model: str, base_url: str | None = None) -> Named:
    """Full name and address of ``model`` as a user wrote it. Raises UsageError where nobody can tell what it is."""
    model = model.strip()
    if not model or not model.isprintable() or " " in model or model.startswith("/") or model.endswith("/"):
        raise UsageError(f"{model!r} is no name of a language model", "--llm-model gpt-oss:20b, for instance")
    address = None if base_url is None else checked_url(base_url)
    provider = prefix(model)
    if address is not None and host(address) == "openrouter.ai":  # its names of models begin with other providers'
        return Named(model if provider == "openrouter" else f"openrouter/{model}", address)
    if provider is not None:
        return Named(model, address or HOMES.get(provider))
    provider = _maker(model) if address is None else _speaker(address)
    return Named(f"{provider}/{model}", address or HOMES.get(provider))


def prefix(model: str) -> str | None:
    """The provider that a name begins with; None where what stands there is none (``meta-llama/Llama-3``)."""
    first, slash, rest = model.partition("/")
    return first if slash and rest and first in PROVIDERS else None


def checked_url(url: str) -> str:
    """The address without a slash at its end. Raises UsageError for one that cannot be used, and does not repeat it."""
    url = url.strip()
    try:
        usable = _ADDRESS.fullmatch(url) and (urlsplit(url).port or 1) < 65536
    except ValueError:
        usable = False
    if not usable:
        raise UsageError(
            "the address of the language model is none that can be asked: it begins with http:// or https://, and has "
            "neither user name nor query",
            "--llm-base-url http://localhost:11434/v1, for instance; a key goes into FUMEHOOD_LLM_API_KEY",
        )
    return url.rstrip("/")


def host(url: str) -> str:
    return (urlsplit(url).hostname or "").lower()


def is_local(url: str) -> bool:
    """Whether what is sent there stays on this machine."""
    name = host(url)
    return name in ("localhost", "::1") or re.fullmatch(r"127(\.[0-9]{1,3}){3}", name) is not None


def _speaker(address: str) -> str:
    """Whose protocol the server at ``address`` speaks."""
    parts, name = urlsplit(address), host(address)
    if name == "api.anthropic.com":
        return "anthropic"
    if name.endswith(".openai.azure.com"):
        return "azure"
    if parts.port == OLLAMA_PORT and "v1" not in parts.path.split("/"):
        return "ollama_chat"
    return "openai"


def _maker(model: str) -> str:
    for beginning, provider in _MAKERS.items():
        if model.startswith(beginning):
            return provider
    raise UsageError(
        f"it is not known where the language model {model} is to be asked",
        "give its server with --llm-base-url, or its provider in its name: --llm-model groq/llama-3.3-70b",
    )
