"""Whose turn it is: lanes of one priority are served by weighted deficit round robin.

Jobs are counted in tokens, which are known for certain only once a job has run: a lane pays what a job is expected to
take when it is served, and settles afterwards. So a lane may go into debt, and then waits for as many rounds as pay it
off: the surplus variant of deficit round robin (Shreedhar and Varghese, "Efficient Fair Queuing Using Deficit Round
Robin", 1995; Adiseshu, Parulkar and Varghese, "A Reliable and Scalable Striping Protocol", 1996).
"""

import math
from collections.abc import Callable, Collection

QUANTUM_TOKENS = 1024


class Turns:
    """Remembers what every lane may still spend, in tokens. Credit is never saved up beyond one round's."""

    def __init__(self, weight: Callable[[str], float]) -> None:
        self.weight = weight
        # In the order of the round: a lane that spent its credit goes to the end.
        self._credit: dict[str, float] = {}

    def next(self, waiting: Collection[str]) -> str:
        """Returns the lane to serve, of those in which a job waits. `waiting` must not be empty.

        Its cost is that of a look-up a lane in the round before the one chosen.
        """
        chosen = self._in_credit(waiting)
        if chosen is None:
            for lane in waiting:
                self._credit.setdefault(lane, 0.0)
            self._new_rounds(waiting)
            chosen = self._in_credit(waiting)
        assert chosen is not None  # noqa: S101  # as many rounds began as put a waiting lane into credit
        return chosen

    def join(self, lane: str) -> None:
        """Lets a lane take part in this round already."""
        self._credit.setdefault(lane, self._allowance(lane))

    def charge(self, lane: str, tokens: float) -> None:
        """Takes tokens from a lane's credit; negative ones give back what was charged too much."""
        allowance = self._allowance(lane)
        credit = min(allowance, self._credit.get(lane, allowance) - tokens)
        if credit <= 0:
            self._credit.pop(lane, None)
        self._credit[lane] = credit

    def _in_credit(self, waiting: Collection[str]) -> str | None:
        return next((lane for lane, credit in self._credit.items() if credit > 0 and lane in waiting), None)

    def _new_rounds(self, waiting: Collection[str]) -> None:
        """Begins as many rounds at once as it takes until a waiting lane is in credit.

        Lanes in which nothing waits take part: time passes for them too, and forgives their debt.
        """
        rounds = min(math.floor(-self._credit[lane] / self._allowance(lane)) + 1 for lane in waiting)
        for lane, credit in self._credit.items():
            allowance = self._allowance(lane)
            self._credit[lane] = min(allowance, credit + rounds * allowance)

    def _allowance(self, lane: str) -> float:
        return QUANTUM_TOKENS * self.weight(lane)
