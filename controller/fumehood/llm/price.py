"""What a model's tokens cost. Pure; an unknown price is None, which is not the same as nothing."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Price:
    """US dollars for a token."""

    prompt: float
    completion: float

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        return self.prompt * prompt_tokens + self.completion * completion_tokens


def estimate(text: str) -> int:
    """About how many tokens ``text`` is, rather too many than too few: three bytes of UTF-8 each.

    Models cut English and code into tokens of about four bytes. This bounds what a question may cost before it is
    asked; what it did cost is what the server says.
    """
    return -(-len(text.encode("utf-8", "replace")) // 3)
