"""What may still be spent on questions, in US dollars, tokens and time.

A question is reserved at the most that it may cost before it is put, and settled at what it did cost. Where the price
is unknown the spending in dollars is unknown from then on, and only tokens bind. What an earlier process spent counts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from threading import Lock

from fumehood.errors import BudgetError
from fumehood.llm.price import Price
from fumehood.records import Call


@dataclass(frozen=True)
class Reservation:
    tokens: int
    usd: float | None
    """None where the price is unknown."""


class Ledger:
    """``budget_usd`` and ``budget_tokens``: None is no limit. ``spent``: what the journal says was spent before.

    ``time_left_s``: seconds that the run still has; a question is put while there are any, and waited for no longer.
    """

    def __init__(
        self,
        budget_usd: float | None = None,
        budget_tokens: int | None = None,
        spent: Sequence[Call] = (),
        time_left_s: Callable[[], float] = lambda: inf,
    ) -> None:
        self.time_left_s = time_left_s
        self._budget_usd, self._budget_tokens = budget_usd, budget_tokens
        self._lock = Lock()
        self._held: list[Reservation] = []
        self._tokens = sum(call.prompt_tokens + call.completion_tokens for call in spent)
        self._usd = sum(call.cost_usd or 0.0 for call in spent)
        self._is_known = all(call.cost_usd is not None for call in spent)

    @property
    def tokens(self) -> int:
        """Spent so far, in both directions."""
        return self._tokens

    @property
    def usd(self) -> float | None:
        """Spent so far; None as soon as one question's price was unknown."""
        return self._usd if self._is_known else None

    @property
    def known_usd(self) -> float:
        """Spent on the questions whose price is known."""
        return self._usd

    def reserve(self, prompt_tokens: int, max_tokens: int, price: Price | None) -> Reservation:
        """Put aside what a question may cost. Raises BudgetError where that may be more than is left."""
        asked = Reservation(prompt_tokens + max_tokens, price.of(prompt_tokens, max_tokens) if price else None)
        with self._lock:
            self._check_time()
            self._check_tokens(asked)
            self._check_usd(asked)
            self._held.append(asked)
        return asked

    def settle(self, reservation: Reservation, tokens: int, usd: float | None) -> None:
        """Replace what was put aside by what the question did cost."""
        with self._lock:
            self._held.remove(reservation)
            self._tokens += tokens
            self._usd += usd or 0.0
            self._is_known = self._is_known and usd is not None

    def _check_time(self) -> None:
        if self.time_left_s() <= 0:
            raise BudgetError(
                "the budget of minutes is used up, and a question would follow",
                "the best so far is measured; give another run a larger --budget-minutes",
            )

    def _check_tokens(self, asked: Reservation) -> None:
        if self._budget_tokens is None:
            return
        gone = self._tokens + sum(one.tokens for one in self._held)
        if gone + asked.tokens > self._budget_tokens:
            raise BudgetError(
                f"the budget of {self._budget_tokens} tokens may not cover the next question: {gone} are spent, and it "
                f"may take {asked.tokens}",
                "the best so far is measured; give another run a larger --budget-tokens",
            )

    def _check_usd(self, asked: Reservation) -> None:
        if self._budget_usd is None or asked.usd is None:
            return
        gone = self._usd + sum(one.usd or 0.0 for one in self._held)
        if gone + asked.usd > self._budget_usd:
            raise BudgetError(
                f"the budget of ${self._budget_usd:g} may not cover the next question: ${gone:.4f} are spent, and it "
                f"may cost ${asked.usd:.4f}",
                "the best so far is measured; give another run a larger --budget-usd",
            )
