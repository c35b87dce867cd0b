"""What is logged about something that is away: one line when it goes, one when it is back, and few in between."""

import math
import time
from collections.abc import Callable

import structlog

_FIRST_REMINDER_S = 30.0
_LONGEST_REMINDER_S = 600.0
_QUIET_S = 120.0


class Reminders:
    """Spaces out a line that would repeat: at once, then 30 s later, then after twice as long each time, up to 10 min.

    When nothing happened for two minutes the next line is due at once again.
    """

    def __init__(self) -> None:
        self._wait_s = 0.0
        self._due_at = -math.inf
        self._last_at = -math.inf
        self.held_back = 0
        """Times the line was not due since it last was."""

    def due(self, now: float) -> bool:
        """Returns whether to log at `now`, in seconds of any clock; counts as having logged if so."""
        if now - self._last_at > _QUIET_S:
            self._due_at, self._wait_s = now, 0.0
        self._last_at = now
        if now < self._due_at:
            self.held_back += 1
            return False
        self._wait_s = min(2 * self._wait_s or _FIRST_REMINDER_S, _LONGEST_REMINDER_S)
        self._due_at = now + self._wait_s
        return True


class Outage:
    """Logs that something fails and that it works again, however often it is tried in between.

    What fails and works in turn is spaced out like what only fails. `fields` go with every line.
    """

    def __init__(self, failing: str, working: str, now: Callable[[], float] = time.monotonic, **fields: object) -> None:
        self._failing = failing
        self._working = working
        self._now = now
        self._fields = fields
        self._reminders = Reminders()
        self._since: float | None = None
        self._is_told = False
        self._failures = 0

    def failed(self, error: BaseException | str, *, exc_info: BaseException | None = None) -> None:
        """Takes note of a failure; logs it when a line is due."""
        now = self._now()
        self._since = now if self._since is None else self._since
        self._failures += 1
        if not self._reminders.due(now):
            return
        self._is_told = True
        fields = {**self._fields, "error": _text(error), "failures": self._failures, "for_s": round(now - self._since)}
        structlog.get_logger().warning(self._failing, **fields, **({"exc_info": exc_info} if exc_info else {}))

    def ended(self) -> None:
        """Takes note that it works; logs it when the failure was logged."""
        if self._since is None:
            return
        if self._is_told:
            for_s = round(self._now() - self._since, 1)
            structlog.get_logger().info(self._working, **self._fields, failures=self._failures, for_s=for_s)
        self._since, self._is_told, self._failures = None, False, 0


def _text(error: BaseException | str) -> str:
    """Returns an error's own words; its name where it has none."""
    return str(error).strip() or (error if isinstance(error, str) else type(error).__name__)
