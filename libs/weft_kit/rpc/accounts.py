"""Records that a server keeps of some calls besides log lines, written before they run and before they are answered."""

from collections.abc import Callable
from typing import Any, Protocol


class CallAccount(Protocol):
    """The record of one call."""

    async def begin(self, request: Any) -> None:
        """Comes before the call does anything; the request may be bytes. Raises WeftError when it must not."""

    async def end(self, code: str, reason: str) -> None:
        """Comes before the answer leaves, with the name of its status and, of a failure, of its reason."""


Accounts = Callable[[str], CallAccount | None]
"""Returns the record of an authenticated call, by its method; None if the call is not recorded."""


def no_accounts(_method: str) -> None:
    """Records nothing."""
