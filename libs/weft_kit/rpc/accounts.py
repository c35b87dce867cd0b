"""Records of certain calls, kept in addition to the log: written before a call runs, and before it is answered."""

from collections.abc import Callable
from typing import Any, Protocol


class CallAccount(Protocol):
    """The record of one call."""

    async def begin(self, request: Any) -> None:
        """Runs before the call does anything; the request may be bytes. Raises WeftError if the call must not go on."""

    async def end(self, code: str, reason: str) -> None:
        """Runs before the answer is sent, with the name of its status and, if it failed, of its reason."""


Accounts = Callable[[str], CallAccount | None]
"""Returns the record for an authenticated call, by its method; None if such calls are not recorded."""


def no_accounts(_method: str) -> None:
    """Records nothing."""
