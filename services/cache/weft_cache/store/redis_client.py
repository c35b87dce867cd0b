"""A Redis client that answers soon or fails."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any, Final, TypeAlias, TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from weft_kit.breaker import Breaker, CallBreaker
from weft_kit.mesh_id import DEFAULT_MESH_ID
from weft_kit.rpc.context import remaining
from weft_kit.rpc.errors import DependencyDown
from weft_kit.stores.ownership import claim_redis
from weft_kit.time_limits import loop_timeout

T = TypeVar("T")
Word: TypeAlias = bytes | str | int

_PATIENT_S: Final = 2.0
_is_patient: ContextVar[bool] = ContextVar("weft_cache_patient", default=False)


@contextmanager
def patiently() -> Iterator[None]:
    """Gives each exchange in the block more time, and calls Redis even after failures, because the caller needs the
    answer.
    """
    token = _is_patient.set(True)
    try:
        yield
    finally:
        _is_patient.reset(token)


class StoreDown(Exception):
    """Redis did not do what was asked: it did not answer in time, or was not called."""


class Refused(StoreDown):
    """Redis refused: it is full or read-only, or lacks a command or an index."""


class RedisClient:
    """Gives every exchange a short limit, and stops calling a failing Redis for a while. Methods raise StoreDown.

    If one exchange is late while others are answered, Redis is only busy and is still called.
    """

    def __init__(self, redis: Redis, limit_s: float, rest_s: float) -> None:
        # As Any: redis-py's commands are typed for its blocking and its asyncio client at once.
        self._redis: Any = redis
        self._limit_s = limit_s
        self._breaker = CallBreaker(Breaker(threshold=3, rest_s=rest_s), silence_s=limit_s, silence_counts=1)

    async def command(self, *words: Word) -> Any:
        """Returns Redis's reply to one command, in one round trip."""
        return await self._within_limit(lambda: self._redis.execute_command(*words))

    async def check(self) -> None:
        """Raises DependencyDown while Redis does not answer. Once it does, it is called again at once."""
        try:
            await self._counted(lambda: self._redis.execute_command("PING"), self._limit_s)
        except StoreDown as error:
            raise DependencyDown("redis", "redis does not answer; check that it runs") from error

    async def transaction(self, commands: Iterable[Sequence[Word]]) -> list[Any]:
        """Executes all of the commands or none, in one round trip; returns the replies."""
        together = self._redis.pipeline(transaction=True)
        for words in commands:
            together.execute_command(*words)
        answers: list[Any] = await self._within_limit(together.execute)
        return answers

    async def _within_limit(self, exchange: Callable[[], Awaitable[T]]) -> T:
        patient = _is_patient.get()
        if not patient and not self._breaker.allows():
            raise StoreDown
        return await self._counted(exchange, max(self._limit_s, _PATIENT_S) if patient else self._limit_s)

    async def _counted(self, exchange: Callable[[], Awaitable[T]], longest_s: float) -> T:
        limit_s = remaining(longest_s)
        with self._breaker.call() as call:
            try:
                async with loop_timeout(limit_s):
                    answer = await exchange()
            except ResponseError as error:
                call.succeeded()
                raise Refused from error
            except TimeoutError as error:
                # A timeout of a caller with little time left says nothing about Redis, and must not block others.
                call.late()
                raise StoreDown from error
            except (RedisError, OSError) as error:
                call.broke()
                raise StoreDown from error
            call.succeeded()
        return answer


@asynccontextmanager
async def guarded(
    url: str, limit_s: float, rest_s: float, connections: int, mesh_id: str = DEFAULT_MESH_ID
) -> AsyncIterator[RedisClient]:
    """Connects to Redis at `url`, which need not answer. Raises OtherMesh if it does and belongs to another mesh."""
    # No retries: callers are better off without the cache than waiting for it. Each exchange has its own limit; the
    # connection's is the longest of them.
    longest_s = max(limit_s, _PATIENT_S)
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
        timeout=longest_s,
        socket_timeout=longest_s,
        socket_connect_timeout=longest_s,
        retry=Retry(NoBackoff(), 0),
        protocol=2,  # FT.SEARCH answers with flat lists, which cost less to read than RESP3's maps
    )
    async with Redis.from_pool(pool) as redis:
        await claim_redis(redis, mesh_id)
        yield RedisClient(redis, limit_s, rest_s)
