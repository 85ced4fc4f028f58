"""Keys never leave the client: not into a transcript, not into an error, not into an answer. Pure.

What is known is taken out wherever it stands; what only looks like a key is, too, because a server may repeat another
one than ours. An answer is cleaned before anybody sees it, so that a replay decides by the same words.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote

REDACTED: Final = "[redacted]"
_LEAST: Final = 6
"""Characters of a secret that is looked for everywhere; a shorter one would be found in ordinary words."""
_LOOKS_LIKE_ONE: Final = re.compile(
    r"\b(?:"
    r"sk-(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{16,}"
    r"|(?:gsk_|hf_|xai-|r8_|pplx-|nvapi-|ghp_|github_pat_|glpat-)(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{16,}"
    r"|AIza[A-Za-z0-9_-]{30,}"
    r"|AKIA[A-Z0-9]{16}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"
    r")"
)
_BEARER: Final = re.compile(r"(\bBearer\s+)[A-Za-z0-9._~+/=-]{16,}", re.IGNORECASE)
_NAMES_A_SECRET: Final = re.compile(r"(?:_|^)(?:API_?KEY|KEY|TOKEN|SECRET|PASSWORD)$", re.IGNORECASE)


class Redactor:
    """Takes ``secrets`` out of texts, and whatever looks like a key."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for one in secrets if len(one) >= _LEAST for form in (one, quote(one, safe=""))}
        self._known = [re.escape(form) for form in sorted(forms, key=len, reverse=True)]
        self._pattern = re.compile("|".join(self._known)) if self._known else None

    def clean(self, text: str) -> str:
        if self._pattern is not None:
            text = self._pattern.sub(REDACTED, text)
        return _BEARER.sub(rf"\1{REDACTED}", _LOOKS_LIKE_ONE.sub(REDACTED, text))

    def __repr__(self) -> str:
        return "Redactor()"


def secrets_of(environment: Mapping[str, str]) -> set[str]:
    """Values of the environment that its names call keys, tokens and the like."""
    return {value for name, value in environment.items() if _NAMES_A_SECRET.search(name) and len(value) >= 12}
