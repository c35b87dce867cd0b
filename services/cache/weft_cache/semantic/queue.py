"""The queue before the semantic tier: time limits of lookups, their order, and immediate refusals."""

import asyncio
import statistics
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Final

from prometheus_client import Gauge

from weft_cache.partition import Address, question_text
from weft_cache.policy import LookupTerms
from weft_cache.records import Hit, Lookup, Vector
from weft_cache.semantic.choice import Miss, Reason
from weft_cache.semantic.coverage import QuestionReader
from weft_cache.semantic.tier import SemanticTier
from weft_kit.admission import Admission, ServiceTime
from weft_kit.rpc.context import bound, current, remaining_to_pass_on
from weft_kit.rpc.errors import DeadlineExceeded, Overloaded

_RUNNING = Gauge("weft_cache_semantic_running", "Lookups and stores that hold a place in the semantic tier now.")
_WAITING = Gauge("weft_cache_semantic_waiting", "Lookups and stores that wait for one now.")

_MOST_WAITING: Final = 1024
_LATEST_ANSWERS: Final = 32
_KNOWN_ALIASES: Final = 4096
# Lookups vary: many that are admitted with only the mean time left would be late, and their work wasted.
_MARGIN: Final = 2.0
_WEIGHT: Final = 0.05


class LookupLimits:
    """How long semantic lookups may take: a share of the time that answers usually take.

    The usual time is the median of the latest answers of a tenant and model alias. The limit is at least `least_s` and
    at most `most_s`; it is `unknown_s` until an answer was stored.
    """

    def __init__(self, share: float, least_s: float, most_s: float, unknown_s: float) -> None:
        self.most_s = most_s
        self._share, self._least_s, self._unknown_s = share, least_s, unknown_s
        self._latest: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()

    def answered(self, tenant: str, model: str, seconds: float) -> None:
        """Records how long an answer took to generate."""
        latest = self._latest.setdefault((tenant, model), deque(maxlen=_LATEST_ANSWERS))
        latest.append(seconds)
        self._latest.move_to_end((tenant, model))
        if len(self._latest) > _KNOWN_ALIASES:
            self._latest.popitem(last=False)

    def of(self, tenant: str, model: str) -> float:
        """Returns the limit in seconds."""
        latest = self._latest.get((tenant, model))
        if latest is None:
            return self._unknown_s
        return min(max(self._share * statistics.median(latest), self._least_s), self.most_s)


class SemanticQueue:
    """Admits `at_once` lookups to the semantic tier; others wait if their turn will come in time.

    Tenants take turns, and within a tenant the earliest deadline goes first. A lookup keeps its place to the end, so
    none that has begun waits for newcomers. A lookup that would be late anyway is refused before anything is computed.
    """

    def __init__(self, tier: SemanticTier, reader: QuestionReader, limits: LookupLimits, at_once: int) -> None:
        self._tier, self._reader, self._limits = tier, reader, limits
        self._admission = Admission(at_once, _MOST_WAITING)
        self._work = ServiceTime(_WEIGHT)
        """The tier's time that one lookup takes: if two run together, half of its duration."""
        _RUNNING.set_function(lambda: self._admission.running)
        _WAITING.set_function(lambda: self._admission.waiting)

    async def find(self, asked: Lookup, where: Address, terms: LookupTerms, now: float) -> Hit | Miss:
        """Returns the semantic tier's hit, or why there is none; `now` is in Unix seconds. Raises StoreDown."""
        refusal = self._reader.refusal(question_text(asked.request))
        if refusal is not None:
            return Miss(refusal)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + remaining_to_pass_on(self._limits.of(asked.tenant, asked.request.model))
        try:
            async with self._place(asked.tenant, deadline), asyncio.timeout_at(deadline):
                return await self._tier.find(asked, where, terms, now)
        except Overloaded:
            return Miss(Reason.OVERLOADED)
        except (DeadlineExceeded, TimeoutError):
            return Miss(Reason.LATE)

    async def embed(self, tenant: str, text: str) -> Vector | None:
        """Returns the vector to store an answer with, or None. It has seconds of time, so the tenant's lookups go
        first.
        """
        if self._reader.refusal(text) is not None:
            return None
        if self._reader.remembers(tenant, text):
            return await self._read(tenant, text)
        deadline = asyncio.get_running_loop().time() + remaining_to_pass_on(self._limits.most_s)
        try:
            async with self._place(tenant, deadline):
                return await self._read(tenant, text)
        except (DeadlineExceeded, Overloaded):
            return None

    async def _read(self, tenant: str, text: str) -> Vector | None:
        read = await self._reader.read(tenant, text)
        return None if isinstance(read, Reason) else read

    @asynccontextmanager
    async def _place(self, tenant: str, deadline: float) -> AsyncIterator[None]:
        """Holds a place; calls within it have the deadline.

        Raises Overloaded if so much goes first, or went first, that the work would not be done by then.
        """
        loop = asyncio.get_running_loop()
        beside = min(self._admission.running + 1, self._admission.slots)
        needs_s = beside * self._work.mean_s
        wait_s = self._admission.ahead(deadline, tenant) * self._work.mean_s
        # One lookup is always admitted; otherwise it would never show that lookups have become faster.
        if self._admission.running and loop.time() + wait_s + _MARGIN * needs_s > deadline:
            raise Overloaded("the semantic tier is busy; retry later", wait_s)
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self._admission.slot(deadline - needs_s, tenant))
            except DeadlineExceeded as error:
                raise Overloaded("the semantic tier stayed busy; retry later", wait_s) from error
            stack.enter_context(bound(replace(current(), deadline=deadline)))
            began, running = loop.time(), self._admission.running
            try:
                yield
            finally:
                together = (running + self._admission.running) / 2
                self._work.observe((loop.time() - began) / together)
