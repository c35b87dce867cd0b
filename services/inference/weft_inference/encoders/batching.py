"""Batches texts of concurrent requests: a text is read at once when idle, and texts gather while a batch runs."""

import asyncio
import math
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from prometheus_client import Histogram

from weft_inference.encoders.encoder import Ids
from weft_inference.encoders.yielding import yield_cpu
from weft_kit.rpc.context import current
from weft_kit.rpc.errors import DeadlineExceeded, Overloaded
from weft_kit.tasks import ended

Seen = TypeVar("Seen")
Seen_co = TypeVar("Seen_co", covariant=True)
Kept = TypeVar("Kept")


class Model(Protocol[Seen_co]):
    """Reads rows together and returns a result for each. The encoder's rows hold one text, the verifier's two."""

    def run(self, rows: Sequence[Ids]) -> Sequence[Seen_co]: ...


_BATCH_TEXTS = Histogram("weft_inference_batch_texts", "Texts read together.", buckets=(1, 2, 4, 8, 16, 32, 64, 128))
# Padding that a batch may add before it is split: a quarter, or little enough not to matter.
_PADDING_SHARE = 0.25
_PADDING_TOKENS = 32
_FIRST_GUESS_TOKENS_PER_S = 4_000.0
_FIRST_GUESS_WEIGHT_S = 0.01
_WEIGHT = 0.2


@dataclass(slots=True, eq=False)
class Request(Generic[Seen, Kept]):
    """One caller's texts; `todo` holds the indexes of those not yet read, short texts first.

    After `deadline`, in the event loop's time, they are no longer wanted.
    """

    rows: Sequence[Ids]
    read: Callable[[Seen], Kept]
    answer: asyncio.Future[list[Kept]]
    tenant: str = ""
    deadline: float = math.inf
    todo: deque[int] = field(init=False)
    kept: dict[int, Kept] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.todo = deque(sorted(range(len(self.rows)), key=lambda place: len(self.rows[place])))

    def put(self, place: int, kept: Kept) -> None:
        self.kept[place] = kept
        if len(self.kept) == len(self.rows) and not self.answer.done():
            self.answer.set_result([self.kept[number] for number in range(len(self.rows))])

    def give_up(self) -> None:
        if not self.answer.done():
            message = "the deadline passed before the texts were read; allow more time or send less at once"
            self.answer.set_exception(DeadlineExceeded(message))


Waiting = dict[str, deque[Request[Any, Any]]]
"""Requests by tenant. The tenant whose turn it is comes first, and so does the request within each tenant."""
Text = tuple[Request[Any, Any], int]


def choose(waiting: Waiting, budget_tokens: int, now: float = 0.0) -> list[Text]:
    """Takes texts of up to `budget_tokens` together, but at least one: tenants take turns, and so do each tenant's
    requests.

    Neither a large request nor many small ones delay others much. Requests whose deadline is `now` or earlier fail.
    """
    chosen: list[Text] = []
    spent = 0
    while waiting:
        tenant, line = next(iter(waiting.items()))
        if line[0].deadline <= now:
            line.popleft().give_up()
            if not line:
                del waiting[tenant]
            continue
        request, place = line[0], line[0].todo[0]
        spent += len(request.rows[place])
        if chosen and spent > budget_tokens:
            break
        chosen.append((request, place))
        request.todo.popleft()
        line.rotate(-1)
        if not request.todo:
            line.pop()
        del waiting[tenant]
        if line:
            waiting[tenant] = line
    return chosen


def pack(texts: Sequence[Text]) -> Iterator[list[Text]]:
    """Yields groups of texts of similar length, short ones first, so that little time is spent on padding."""
    group: list[Text] = []
    tokens = 0
    for request, place in sorted(texts, key=lambda text: len(text[0].rows[text[1]])):
        length = len(request.rows[place])
        padding = length * len(group) - tokens
        if padding > max(_PADDING_TOKENS, _PADDING_SHARE * tokens):
            yield group
            group, tokens = [], 0
        group.append((request, place))
        tokens += length
    if group:
        yield group


class Speed:
    """Tracks how fast the latest batches were read. Large ones weigh more, since small ones say little about load."""

    def __init__(self) -> None:
        self._tokens, self._seconds = _FIRST_GUESS_TOKENS_PER_S * _FIRST_GUESS_WEIGHT_S, _FIRST_GUESS_WEIGHT_S

    def observe(self, tokens: int, seconds: float) -> None:
        self._tokens = (1 - _WEIGHT) * self._tokens + tokens
        self._seconds = (1 - _WEIGHT) * self._seconds + seconds

    @property
    def tokens_per_s(self) -> float:
        return self._tokens / self._seconds


class Batcher(Generic[Seen]):
    """Runs a model in one thread, one batch at a time.

    `budget_tokens` bounds a batch, and so how long a newcomer waits. `limit_tokens` bounds all waiting texts, except
    that each tenant may always have one request. A request that would miss its deadline is refused at once. With
    `yields` the thread yields the CPU to others.
    """

    def __init__(self, model: Model[Seen], budget_tokens: int, limit_tokens: int, *, yields: bool = False) -> None:
        self._model = model
        self._budget_tokens = budget_tokens
        self._limit_tokens = limit_tokens
        self._waiting: Waiting = {}
        self._unread_tokens: Counter[str] = Counter()
        """Tokens of requests that are not yet answered, by tenant."""
        self._speed = Speed()
        self._news = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "encoder", yield_cpu if yields else None)

    async def __aenter__(self) -> Self:
        self._worker = asyncio.create_task(self._work())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await ended(self._worker)
        self._thread.shutdown()

    async def run(self, rows: Sequence[Ids], read: Callable[[Seen], Kept]) -> list[Kept]:
        """Returns what `read` takes from the model's result for each row. `read` runs in the model's thread.

        Raises:
            Overloaded: too much is waiting already, or too much for the caller's deadline.
            DeadlineExceeded: the deadline passed before all rows were read.
        """
        tokens, caller = sum(map(len, rows)), current()
        deadline = math.inf if caller.deadline is None else caller.deadline
        self._check_room(tokens, caller.tenant, deadline)
        answer: asyncio.Future[list[Kept]] = asyncio.get_running_loop().create_future()
        request = Request(rows, read, answer, caller.tenant, deadline)
        self._waiting.setdefault(caller.tenant, deque()).append(request)
        self._unread_tokens[caller.tenant] += tokens
        self._news.set()
        try:
            return await answer
        finally:
            self._unread_tokens[caller.tenant] -= tokens
            if not self._unread_tokens[caller.tenant]:
                del self._unread_tokens[caller.tenant]
            self._forget(request)

    def _check_room(self, tokens: int, tenant: str, deadline: float) -> None:
        """Raises Overloaded if too much is waiting already, or so much that these texts would be read too late."""
        waiting = self._unread_tokens.total()
        if self._unread_tokens[tenant] and waiting + tokens > self._limit_tokens:
            wait_s = waiting / self._speed.tokens_per_s
            raise Overloaded(f"{waiting} tokens wait to be read; retry later or send less", wait_s)
        wait_s = self._tokens_ahead(tokens, tenant) / self._speed.tokens_per_s
        if asyncio.get_running_loop().time() + wait_s > deadline:
            raise Overloaded(f"these texts are read in {wait_s:.2f} s at best; allow more time or send less", wait_s)

    def _tokens_ahead(self, tokens: int, tenant: str) -> int:
        """Returns how many tokens at most are read before a newcomer's last text; 0 if nothing is waiting.

        Tenants take turns, and so do their requests: meanwhile none of the others gets more read than the newcomer.
        """
        own = min(self._unread_tokens[tenant], tokens * len(self._waiting.get(tenant, ())))
        others = (min(unread, own + tokens) for name, unread in self._unread_tokens.items() if name != tenant)
        return own + sum(others)

    def _forget(self, request: Request[Any, Any]) -> None:
        line = self._waiting.get(request.tenant)
        if line and request in line:
            line.remove(request)
            if not line:
                del self._waiting[request.tenant]

    async def _work(self) -> None:
        while True:
            while not self._waiting:
                self._news.clear()
                await self._news.wait()
            now = asyncio.get_running_loop().time()
            for batch in pack(choose(self._waiting, self._budget_tokens, now)):
                await self._run(batch)

    async def _run(self, batch: list[Text]) -> None:
        _BATCH_TEXTS.observe(len(batch))
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            kept = await loop.run_in_executor(self._thread, self._read, batch)
        except Exception as error:  # noqa: BLE001  # the callers get it, and the worker must go on
            for request, _ in batch:
                if not request.answer.done():
                    request.answer.set_exception(error)
            return
        self._speed.observe(sum(len(request.rows[place]) for request, place in batch), loop.time() - began)
        for (request, place), one in zip(batch, kept, strict=True):
            request.put(place, one)

    def _read(self, batch: list[Text]) -> list[Any]:
        seen = self._model.run([request.rows[place] for request, place in batch])
        return [request.read(one) for (request, _), one in zip(batch, seen, strict=True)]
