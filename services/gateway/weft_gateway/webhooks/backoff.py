"""When a webhook that failed is tried again."""

from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime


@dataclass(frozen=True, slots=True)
class Backoff:
    """Doubling waits with full jitter.

    A wait is a random share of its upper limit, so that retries of webhooks that failed together spread out. With the
    defaults the attempts span a day on average, and two at most.
    """

    first_s: float = 5.0
    longest_s: float = 6 * 3600.0
    tries: int = 20

    def next_s(self, tries_made: int, retry_after_s: float | None, share: float) -> float | None:
        """Returns the seconds until the next attempt, None when there is none.

        `share` is random, 0-1. The target's own Retry-After lengthens a wait, but no further than `longest_s`.
        """
        if tries_made >= self.tries:
            return None
        # An exponent of hundreds would overflow a float, and no wait doubles that often.
        wait_s = share * min(self.longest_s, self.first_s * 2.0 ** min(tries_made - 1, 64))
        return max(wait_s, min(retry_after_s or 0.0, self.longest_s))


def retry_after_s(header: str | None, now: datetime) -> float | None:
    """Returns the seconds that a Retry-After header asks for, as seconds or as a date; None if it is neither."""
    if not header:
        return None
    if header.isascii() and header.isdigit():
        return float(header)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - now.timestamp())
    except (ValueError, OverflowError):
        return None
