"""What was spent, and where Redis keeps it: routers write it, gateways read it.

Tokens are kept by second, so that it is known exactly when they leave the last minute, and money by day. Days begin at
midnight UTC everywhere: a tenant's own midnight would need its time zone, with its days of 23 and 25 hours, for little
gain.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

WINDOW_S = 60
DAY_S = 86_400

_PREFIX = "weft:budget"


@dataclass(frozen=True, slots=True)
class SpendingAccount:
    """Whose spending it is: a key's or, without a key, the tenant's with all its keys."""

    tenant: str
    key_id: str = ""

    def __str__(self) -> str:
        return f"key {self.key_id}" if self.key_id else f"tenant {self.tenant}"

    @property
    def tokens(self) -> str:
        """The name of a hash: second → tokens of the calls that began in it."""
        return f"{_PREFIX}:tokens:{self._name}"

    @property
    def holds(self) -> str:
        """The name of a sorted set: the calls under way, by the time when what is held for them is released."""
        return f"{_PREFIX}:holds:{self._name}"

    @property
    def days(self) -> str:
        """The beginning of the names of its days."""
        return f"{_PREFIX}:day:{self._name}"

    def day(self, day: int) -> str:
        """Returns the name of the hash of a day: micros `spent` and `held`, tokens `held_tokens`."""
        return f"{self.days}:{day}"

    @property
    def _name(self) -> str:
        return f"{self.tenant}/{self.key_id}" if self.key_id else self.tenant


def day_of(unix_s: float) -> int:
    """Returns the day of a time, in days since 1970 UTC."""
    return int(unix_s // DAY_S)


def day_end_s(unix_s: float) -> int:
    """Returns when the day of a time ends, in seconds since 1970."""
    return (day_of(unix_s) + 1) * DAY_S


def costs(day: int, tenant: str = "") -> str:
    """Returns the name of a hash: provider → micros that calls to it cost on a day, a tenant's or, without one, all."""
    return f"{_PREFIX}:costs:{day}:{tenant}" if tenant else f"{_PREFIX}:costs:{day}"


def in_window(seconds: Mapping[int, int], now_s: int) -> int:
    """Returns the tokens of the last minute. Its first second counts in full, so that no 60 s exceed a limit."""
    return sum(tokens for second, tokens in seconds.items() if now_s - second <= WINDOW_S)


def frees_after_s(seconds: Mapping[int, int], now_s: int, tokens: int) -> int:
    """Returns the seconds until at least `tokens` of the window's tokens have left it."""
    for second in sorted(seconds):
        if now_s - second <= WINDOW_S:
            tokens -= seconds[second]
            if tokens <= 0:
                return second + WINDOW_S + 1 - now_s
    return WINDOW_S + 1


@dataclass(frozen=True, slots=True)
class Spent:
    """What an account has spent, as of `now_s`, in seconds since 1970."""

    now_s: int
    seconds: Mapping[int, int]
    micros_today: int
    micros_held: int

    @property
    def tokens_last_minute(self) -> int:
        return in_window(self.seconds, self.now_s)


async def read_spent(redis: Redis, accounts: Sequence[SpendingAccount], now_s: int) -> list[Spent]:
    """Returns what each account has spent, in one round trip. Raises redis-py's errors."""
    day = day_of(now_s)
    async with redis.pipeline(transaction=False) as asked:
        for account in accounts:
            asked.hgetall(account.tokens)
            asked.hmget(account.day(day), "spent", "held")
        answers: list[Any] = await asked.execute()
    return [
        Spent(now_s, {int(s): int(t) for s, t in seconds.items()}, *(int(micros or 0) for micros in money))
        for seconds, money in zip(answers[::2], answers[1::2], strict=True)
    ]
