"""Lists that come page by page."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol, TypeVar


class Asked(Protocol):
    """Any List request of the contract."""

    page_token: str


class Page(Protocol):
    """Any List response of the contract."""

    next_page_token: str


AskedT = TypeVar("AskedT", bound=Asked)
PageT = TypeVar("PageT", bound=Page)


async def pages(ask: Callable[[AskedT], Awaitable[PageT]], asked: AskedT) -> AsyncIterator[PageT]:
    """Yields the pages of a list, from the one that `asked` names to the last."""
    while True:
        page = await ask(asked)
        yield page
        asked.page_token = page.next_page_token
        if not asked.page_token:
            return
