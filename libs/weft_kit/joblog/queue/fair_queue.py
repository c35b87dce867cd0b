"""Decides which tenant is next, by weighted deficit round robin.

Jobs are counted in tokens, which are known for certain only once a job has run: a tenant is charged the expected number
when it is served, and the difference is settled afterwards. So a tenant may go into debt, and then waits for as many
rounds as pay it off: the surplus variant of deficit round robin (Shreedhar and Varghese, "Efficient Fair Queuing Using
Deficit Round Robin", 1995; Adiseshu, Parulkar and Varghese, "A Reliable and Scalable Striping Protocol", 1996).
"""

import math
from collections.abc import Callable, Collection

QUANTUM_TOKENS = 1024


class FairQueue:
    """Tracks what every tenant may still spend, in tokens. Credit never accumulates beyond one round's."""

    def __init__(self, weight: Callable[[str], float]) -> None:
        self.weight = weight
        # In the order of the round: a tenant that spent its credit goes to the end.
        self._credit: dict[str, float] = {}

    def next(self, waiting: Collection[str]) -> str:
        """Returns the tenant to serve, of those with waiting jobs. `waiting` must not be empty.

        Its cost is that of a look-up a tenant in the round before the one chosen.
        """
        chosen = self._in_credit(waiting)
        if chosen is None:
            for tenant in waiting:
                self._credit.setdefault(tenant, 0.0)
            self._new_rounds(waiting)
            chosen = self._in_credit(waiting)
        assert chosen is not None  # noqa: S101  # as many rounds began as put a waiting tenant into credit
        return chosen

    def join(self, tenant: str) -> None:
        """Lets a tenant take part in this round already."""
        self._credit.setdefault(tenant, self._allowance(tenant))

    def charge(self, tenant: str, tokens: float) -> None:
        """Takes tokens from a tenant's credit; a negative number refunds an overcharge."""
        allowance = self._allowance(tenant)
        credit = min(allowance, self._credit.get(tenant, allowance) - tokens)
        if credit <= 0:
            self._credit.pop(tenant, None)
        self._credit[tenant] = credit

    def _in_credit(self, waiting: Collection[str]) -> str | None:
        return next((tenant for tenant, credit in self._credit.items() if credit > 0 and tenant in waiting), None)

    def _new_rounds(self, waiting: Collection[str]) -> None:
        """Begins as many rounds at once as it takes until a waiting tenant is in credit.

        Tenants of whom nothing waits take part: time passes for them too, and forgives their debt.
        """
        rounds = min(math.floor(-self._credit[tenant] / self._allowance(tenant)) + 1 for tenant in waiting)
        for tenant, credit in self._credit.items():
            allowance = self._allowance(tenant)
            self._credit[tenant] = min(allowance, credit + rounds * allowance)

    def _allowance(self, tenant: str) -> float:
        return QUANTUM_TOKENS * self.weight(tenant)
