"""Reads lists that the mesh returns page by page."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Protocol, TypeVar

_MOST_A_PAGE = 1000


class Asked(Protocol):
    """Any List request of the contract."""

    page_token: str
    page_size: int


class Page(Protocol):
    """Any List response of the contract."""

    next_page_token: str


AskedT = TypeVar("AskedT", bound=Asked)
PageT = TypeVar("PageT", bound=Page)
ItemT = TypeVar("ItemT")


async def pages(ask: Callable[[AskedT], Awaitable[PageT]], asked: AskedT) -> AsyncIterator[PageT]:
    """Yields the pages of a list, from the one that `asked` names to the last."""
    while True:
        page = await ask(asked)
        yield page
        asked.page_token = page.next_page_token
        if not asked.page_token:
            return


async def first(
    limit: int, ask: Callable[[AskedT], Awaitable[PageT]], asked: AskedT, items: Callable[[PageT], Iterable[ItemT]]
) -> list[ItemT]:
    """Returns the first items of a list, at most `limit`, from as many pages as needed."""
    asked.page_size = min(limit, _MOST_A_PAGE)
    found: list[ItemT] = []
    async for page in pages(ask, asked):
        found.extend(items(page))
        if len(found) >= limit:
            break
    return found[:limit]
