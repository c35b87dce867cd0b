"""The providers that are open now, and those that only finish their last calls."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import Self

from weft_kit.catalog.catalog import Catalog
from weft_kit.catalog.providers import ProviderEntry
from weft_kit.joblog import FairQueue
from weft_kit.tasks import TaskSet
from weft_router.fleet.concurrency import CallCaps, ConcurrencyLimit
from weft_router.fleet.health import ProviderHealth
from weft_router.fleet.registry import Registered, Registry
from weft_router.providers.provider import Provider

OpenProvider = Callable[[str, ProviderEntry, str], AbstractAsyncContextManager[Provider]]
"""Opens a provider, given its name, its entry and its key; the key is empty where it has none."""
ReadKeys = Callable[[Catalog], dict[str, str]]
"""Reads the keys of a catalog's providers, by name. Raises CatalogError."""


@dataclass(frozen=True, slots=True)
class _OpenProvider:
    """An open provider: what it was opened with, and what closes it."""

    entry: ProviderEntry
    key: str
    registered: Registered
    closing: AsyncExitStack


class Fleet:
    """Opens the providers of a catalog, keeps unchanged ones across changes, and closes the others when their last call
    ends.

    Use as a context manager, which closes all.
    """

    def __init__(self, open_provider: OpenProvider, read_keys: ReadKeys) -> None:
        self._open_provider = open_provider
        self._read_keys = read_keys
        self._open: list[_OpenProvider] = []
        self._lent: Counter[Registry] = Counter()
        self._closing = TaskSet()
        self._current: Registry | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._current = None
        self._lent.clear()
        self._close_idle()
        await self._closing.wait()

    @property
    def current(self) -> Registry:
        """The providers as configured now. There are none before the first catalog is applied."""
        if self._current is None:
            message = "no catalog is followed yet"
            raise RuntimeError(message)
        return self._current

    async def follow(self, catalog: Catalog) -> None:
        """Applies a catalog. Providers that it does not change keep running, with their statistics.

        Raises:
            CatalogError: a key is missing; nothing has changed.
        """
        keys = self._read_keys(catalog)
        async with AsyncExitStack() as opened:
            wanted = [
                await self._opened(catalog, name, entry, keys.get(name, ""), opened)
                for name, entry in catalog.providers.items()
            ]
            opened.pop_all()
        known = {id(one) for one in self._open}
        self._open += [one for one in wanted if id(one) not in known]
        registered = {one.registered.name: _with_models(one.registered, catalog) for one in wanted}
        self._current = Registry(catalog, registered)
        self._close_idle()

    @contextmanager
    def lend(self) -> Iterator[Registry]:
        """Lends the providers as they are now; they stay open while the block lasts."""
        registry = self.current
        self._lent[registry] += 1
        try:
            yield registry
        finally:
            self._lent[registry] -= 1
            if not self._lent[registry]:
                del self._lent[registry]
                if registry is not self._current:
                    self._close_idle()

    def _weight(self, tenant: str) -> float:
        return self.current.catalog.share(tenant).weight

    async def _opened(
        self, catalog: Catalog, name: str, entry: ProviderEntry, key: str, opened: AsyncExitStack
    ) -> _OpenProvider:
        for one in self._open:
            if (one.registered.name, one.entry, one.key) == (name, entry, key):
                return one
        closing = AsyncExitStack()
        provider = await closing.enter_async_context(self._open_provider(name, entry, key))
        opened.push_async_callback(closing.aclose)
        concurrency_limit = ConcurrencyLimit(
            CallCaps(entry.max_concurrency, entry.calls_per_minute), FairQueue(self._weight)
        )
        models = {model: ProviderHealth(catalog.breaker, name, model) for model in catalog.serving(name)}
        registered = Registered(name, entry.kind, provider, models, concurrency_limit, entry.region or "")
        return _OpenProvider(entry, key, registered, closing)

    def _close_idle(self) -> None:
        alive = [*self._lent, *([self._current] if self._current else [])]
        asked = {id(one.provider) for registry in alive for one in registry.providers.values()}
        for unused in [one for one in self._open if id(one.registered.provider) not in asked]:
            self._open.remove(unused)
            self._closing.start(unused.closing.aclose())


def _with_models(registered: Registered, catalog: Catalog) -> Registered:
    """Returns the provider with the models that routes use now; models that were there before keep their statistics."""
    for model in catalog.serving(registered.name):
        known = registered.models.get(model)
        if known is None or known.breaker.limits != catalog.breaker:
            registered.models[model] = ProviderHealth(catalog.breaker, registered.name, model)
    return registered
