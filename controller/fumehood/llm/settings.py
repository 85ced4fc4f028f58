"""Which language model is asked, where, and within what; and its key, which is kept apart from all of that.

The settings may be written down anywhere; the key is in none of them. A key of a provider's own variable is only sent
to that provider, so that no other server ever learns it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import SecretStr

from fumehood import floor, trusted_file
from fumehood.errors import PolicyError, UsageError
from fumehood.llm import naming
from fumehood.records import LlmSettings
from fumehood.text import plain

MODEL: Final = "FUMEHOOD_LLM_MODEL"
BASE_URL: Final = "FUMEHOOD_LLM_BASE_URL"
KEY: Final = "FUMEHOOD_LLM_API_KEY"
_LARGEST_KEY: Final = 16 * 1024
_OWN_HOST: Final = {"openai": "api.openai.com", "anthropic": "api.anthropic.com", "openrouter": "openrouter.ai"}
_AZURE: Final = (".openai.azure.com", ".cognitiveservices.azure.com")
_OWN_ADDRESSES: Final = {
    "openai": ("OPENAI_BASE_URL", "OPENAI_API_BASE"),
    "azure": ("AZURE_API_BASE",),
    "anthropic": ("ANTHROPIC_BASE_URL", "ANTHROPIC_API_BASE"),
    "ollama": ("OLLAMA_API_BASE",),
    "ollama_chat": ("OLLAMA_API_BASE",),
}
"""Variables by which users tell a provider's own programs where it is."""
_BOUNDED: Final = frozenset({"openai", "azure", "anthropic", "ollama", "ollama_chat", "openrouter"})
"""Providers of which it is known that every request goes where a floor's hosts are enforced."""


@dataclass(frozen=True)
class Keys:
    """``value`` of each is hidden from every print; None is none, which local servers do not mind."""

    first: SecretStr | None = None
    fallback: SecretStr | None = None
    source: Literal["flag", "file", "environment", "none"] = "none"
    """Where the first one was found."""


def settings(
    model: str | None,
    base_url: str | None = None,
    *,
    environment: Mapping[str, str],
    fallback: str | None = None,
    timeout_s: float | None = None,
    max_retries: int | None = None,
    backoff_s: float | None = None,
    budget_usd: float | None = None,
    budget_tokens: int | None = None,
) -> LlmSettings | None:
    """What arguments and environment say; None where no model is named anywhere.

    Raises UsageError for what cannot be meant, and PolicyError for an address that the machine's floor forbids.
    """
    model = model or environment.get(MODEL) or None
    base_url = base_url or environment.get(BASE_URL) or None
    if model is None:
        if base_url is not None or fallback is not None:
            raise UsageError("a server of language models is named, but no model", "say which one: --llm-model NAME")
        return None
    first = _addressed(model, base_url, environment)
    second = None if fallback is None else _second(fallback, first, environment)
    more = {"timeout_s": timeout_s, "max_retries": max_retries, "backoff_s": backoff_s}
    found = LlmSettings(
        model=first.full,
        base_url=first.base_url,
        fallback_model=second and second.full,
        fallback_base_url=second and second.base_url,
        budget_usd=budget_usd,
        budget_tokens=budget_tokens,
        **{name: value for name, value in more.items() if value is not None},
    )
    permitted(found, floor.llm(floor.read(environment)))
    return found


def permitted(found: LlmSettings, bounds: floor.LlmBounds) -> None:
    """Raises PolicyError where the floor does not let one of its addresses be asked."""
    for model, base_url in ((found.model, found.base_url), (found.fallback_model, found.fallback_base_url)):
        if bounds.hosts is None or model is None:
            continue
        provider = naming.prefix(model)
        if base_url is None or provider not in _BOUNDED:
            raise PolicyError(
                f"the floor of this machine names the hosts that language models may be asked at, and where {provider} "
                "would be asked is not known beforehand",
                "give the address of an OpenAI-compatible server among them with --llm-base-url",
            )
        if not bounds.permits(base_url):
            hosts = ", ".join(sorted(bounds.hosts)) or "none"
            raise PolicyError(
                f"the floor of this machine does not let a language model be asked at {naming.host(base_url)}",
                f"hosts that may be asked: {hosts}",
            )


def keys(
    found: LlmSettings, *, environment: Mapping[str, str], flag: str | None = None, file: Path | None = None
) -> Keys:
    """The keys for ``found``: of the flag, else of the file, else of the environment.

    Raises UsageError for a file that cannot be read, that others can read, or that holds no key.
    """
    source: Literal["flag", "file", "environment", "none"] = "environment"
    if flag is not None:
        first, source = _checked(flag, "the key of --llm-api-key"), "flag"
    elif file is not None:
        first, source = _of_file(file), "file"
    elif general := environment.get(KEY):
        first = _checked(general, f"the key in {KEY}")
    elif own := _of_environment(found.model, found.base_url, environment):
        first = own
    else:
        return Keys(None, _fallback_key(found, None, environment), "none")
    return Keys(first, _fallback_key(found, first, environment), source)


def warnings(found: LlmSettings, keys: Keys) -> list[str]:
    """What a user should know before a key is sent."""
    told = []
    if keys.source == "flag":
        told.append(
            f"other users of this machine can see the key of --llm-api-key in the list of processes; rather set {KEY}, "
            "or use --llm-api-key-file"
        )
    url = found.base_url or ""
    if url.startswith("http://") and not naming.is_local(url):
        what = "the key and every question" if keys.first else "every question"
        told.append(f"{what} can be read on the way to {url}; an address with https:// hides them")
    return told


def is_own(model: str, base_url: str | None) -> bool:
    """Whether the provider that ``model`` begins with is asked itself, at its own address."""
    if base_url is None:
        return True
    provider, host = naming.prefix(model), naming.host(base_url)
    return host == _OWN_HOST.get(provider or "") or (provider == "azure" and host.endswith(_AZURE))


def own_variable(model: str) -> str:
    """Name of the environment's variable in which the provider of ``model`` looks for a key."""
    return f"{(naming.prefix(model) or 'openai').upper().replace('-', '_').removesuffix('_CHAT')}_API_KEY"


def _addressed(model: str, base_url: str | None, environment: Mapping[str, str]) -> naming.Named:
    named = naming.named(model, base_url)
    if base_url is not None:
        return named
    told = next((environment[one] for one in _OWN_ADDRESSES.get(named.provider, ()) if environment.get(one)), None)
    return named if told is None else named._replace(base_url=naming.checked_url(told))


def _second(fallback: str, first: naming.Named, environment: Mapping[str, str]) -> naming.Named:
    """The fallback is asked where the first model is, unless its name begins with another provider's."""
    if naming.prefix(fallback) in (None, first.provider):
        return naming.named(fallback, first.base_url) if first.base_url else naming.named(fallback)
    return _addressed(fallback, None, environment)


def _fallback_key(found: LlmSettings, first: SecretStr | None, environment: Mapping[str, str]) -> SecretStr | None:
    if found.fallback_model is None:
        return None
    if found.fallback_base_url == found.base_url and naming.prefix(found.fallback_model) == naming.prefix(found.model):
        return first
    return _of_environment(found.fallback_model, found.fallback_base_url, environment)


def _of_environment(model: str, base_url: str | None, environment: Mapping[str, str]) -> SecretStr | None:
    """The key of the provider's own variable, if it is asked at its own address or where its variables say."""
    value = environment.get(own_variable(model))
    told = {naming.host(environment.get(one, "")) for one in _OWN_ADDRESSES.get(naming.prefix(model) or "", ())}
    if not value or not (is_own(model, base_url) or naming.host(base_url or "") in told - {""}):
        return None
    return _checked(value, f"the key in {own_variable(model)}")


def _of_file(path: Path) -> SecretStr:
    try:
        mode = path.stat().st_mode
        content = trusted_file.read(path, _LARGEST_KEY)
    except trusted_file.Untrusted as error:
        raise UsageError(
            f"the key file {plain(str(path))} cannot be trusted: {error.why}", f"chmod 600 {path}"
        ) from None
    except OSError as error:
        raise UsageError(
            f"the key file {plain(str(path))} cannot be read: {error.strerror}", "correct --llm-api-key-file"
        ) from None
    if mode & 0o077:
        raise UsageError(
            f"other users of this machine can read the key file {plain(str(path))} (mode {mode & 0o7777:04o})",
            f"chmod 600 {path}, and replace the key if others may have read it",
        )
    try:
        return _checked((content or b"").decode("ascii"), f"what is in the key file {plain(str(path))}")
    except UnicodeDecodeError:
        raise UsageError(
            f"the key file {plain(str(path))} holds something else than a key", "one line, the key"
        ) from None


def _checked(text: str, what: str) -> SecretStr:
    """A key is one word of ASCII: anything else cannot be sent, and the complaint about it would show it."""
    key = text.strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise UsageError(
            f"{what} is no key: it is empty, or not one word of plain letters", "look at it, and correct it"
        )
    return SecretStr(key)
