"""What a server keeps of some of its calls beside their lines, before they do anything and before they are answered."""

from collections.abc import Callable
from typing import Any, Protocol


class CallAccount(Protocol):
    """What is kept of one call."""

    async def begin(self, request: Any) -> None:
        """Comes before the call does anything; the request may be bytes. Raises WeftError when it must not."""

    async def end(self, code: str, reason: str) -> None:
        """Comes before the answer leaves, with the name of its status and, of a failure, of its reason."""


Accounts = Callable[[str], CallAccount | None]
"""Returns what keeps account of a call that was let in, by its method; None for those of which nothing is kept."""


def no_accounts(_method: str) -> None:
    """Keeps nothing."""
