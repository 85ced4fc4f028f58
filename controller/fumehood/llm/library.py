"""LiteLLM, loaded when it is first needed and made quiet: it takes seconds and a hundred megabytes to import.

It fetches no list of prices, reads no ``.env`` file, calls nobody back, prints nothing, and sends everything through
``wire.Session``.
"""

import contextlib
import logging
import os
import threading
import warnings
from typing import Any, Final

import httpx

from fumehood.errors import LlmError
from fumehood.llm.price import Price
from fumehood.llm.wire import Session
from fumehood.text import plain

_LOCK: Final = threading.Lock()
_SETTINGS: Final = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_MODE": "PRODUCTION",  # in any other it reads a .env file of the folder it is started in
    "LITELLM_LOG": "CRITICAL",
}
_WARNING: Final = (r"litellm(\..*)?", r"pydantic\._internal\..*", r"pydantic\.main")
"""Modules in whose name the library makes Python warn, about itself."""
_LOGGERS: Final = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy", "httpx", "httpcore", "openai", "openai._base_client")
BY_HANDLER: Final = frozenset(
    {
        "a2a", "aiohttp_openai", "anthropic", "azure_ai", "bedrock_mantle", "bytez", "cometapi", "compactifai",
        "databricks", "datarobot", "deepseek", "edenai", "fireworks_ai", "gemini", "groq", "heroku", "hosted_vllm",
        "huggingface", "lemonade", "minimax", "mistral", "nadir", "ollama", "ollama_chat",
        "openrouter", "ovhcloud", "snowflake", "together_ai", "xai",
    }
)  # fmt: skip
"""Providers of LiteLLM 1.106.2 that it asks by its own handler. What is sent to nearly all others goes through
``client_session``; to a few, such as Bedrock and Vertex, by their makers' libraries, which no floor's hosts bind."""
_loaded: Any = None


def load_ahead() -> threading.Thread:
    """Import it in the background, while there is something else to wait for."""
    thread = threading.Thread(target=_try_to_load, name="litellm-import", daemon=True)
    thread.start()
    return thread


def _try_to_load() -> None:
    with contextlib.suppress(LlmError):  # raised again where it is needed
        litellm()


def litellm() -> Any:
    """The module, imported once. Raises LlmError where it cannot be imported."""
    global _loaded
    with _LOCK:
        if _loaded is None:
            _loaded = _imported()
        return _loaded


def _imported() -> Any:
    os.environ.update(_SETTINGS)
    try:
        import litellm as module
    except ImportError as error:
        raise LlmError(
            f"LiteLLM cannot be imported: {plain(str(error))}", "reinstall fumehood; fumehood doctor"
        ) from error
    for source in _WARNING:
        warnings.filterwarnings("ignore", module=source)
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate, logger.disabled = [], False, True
    module.suppress_debug_info = True
    for kind in ("callbacks", "success_callback", "failure_callback", "input_callback", "service_callback"):
        setattr(module, kind, [])
    module.num_retries = 0
    module.drop_params = False
    module.client_session = Session()
    module.module_level_client = _handler(httpx.Client(transport=httpx.MockTransport(_refuse)))
    _rehearse(module)
    return module


def _refuse(request: httpx.Request) -> httpx.Response:
    """For what the library would ask on the side: servers about their models, without a question being meant."""
    raise httpx.ConnectError(f"{request.url.host} is not asked on the side")


def _rehearse(module: Any) -> None:
    """Go through one question that nobody is asked: what it loads only then would count as the first one's time."""
    import openai.resources.chat  # noqa: F401  # loaded by its first question otherwise

    module.completion(model="openai/none", messages=[{"role": "user", "content": "?"}], mock_response="!")


def handler(provider: str) -> Any:
    """What LiteLLM is to send through; None for the providers that it asks by the OpenAI library: see ``_imported``."""
    return _handler(litellm().client_session) if provider in BY_HANDLER else None


def _handler(client: httpx.Client) -> Any:
    from litellm.llms.custom_httpx.http_handler import HTTPHandler

    return HTTPHandler(client=client)


def price(full_name: str) -> Price | None:
    """What LiteLLM's own list says a token costs; None where the model is not in it.

    Only the list is looked at: its functions would ask a local server about models that they do not know.
    """
    known = litellm().model_cost
    provider, _, name = full_name.partition("/")
    entry = known.get(full_name) or known.get(name)
    if not entry or entry.get("litellm_provider") not in (provider, f"text-completion-{provider}"):
        return None
    prompt, completion = entry.get("input_cost_per_token"), entry.get("output_cost_per_token")
    if prompt is None or completion is None:
        return None
    return Price(float(prompt), float(completion))
