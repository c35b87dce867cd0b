"""Logs the outage of a dependency: a line when it begins, one when it ends, and a few in between."""

import math
import time
from collections.abc import Callable

import structlog

_FIRST_REMINDER_S = 30.0
_LONGEST_REMINDER_S = 600.0
_QUIET_S = 120.0


class Reminders:
    """Spaces out a repeated line: at once, then after 30 s, then after twice as long each time, up to 10 minutes.

    After two minutes without an event, the next line is due at once again.
    """

    def __init__(self) -> None:
        self._wait_s = 0.0
        self._due_at = -math.inf
        self._last_at = -math.inf
        self.held_back = 0
        """How often the line has been held back."""

    def due(self, now: float) -> bool:
        """Returns whether to log at `now`, in seconds of any clock; if so, the line counts as logged."""
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
    """Logs that something fails, and that it works again, however often it is tried in between.

    Lines about something that fails and works by turns are spaced out too. `fields` are added to every line.
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
        """Notes a failure; logs it if a line is due."""
        now = self._now()
        self._since = now if self._since is None else self._since
        self._failures += 1
        if not self._reminders.due(now):
            return
        self._is_told = True
        fields = {**self._fields, "error": _text(error), "failures": self._failures, "for_s": round(now - self._since)}
        structlog.get_logger().warning(self._failing, **fields, **({"exc_info": exc_info} if exc_info else {}))

    def ended(self) -> None:
        """Notes that it works; logs that if the failure was logged."""
        if self._since is None:
            return
        if self._is_told:
            for_s = round(self._now() - self._since, 1)
            structlog.get_logger().info(self._working, **self._fields, failures=self._failures, for_s=for_s)
        self._since, self._is_told, self._failures = None, False, 0


def _text(error: BaseException | str) -> str:
    """Returns an error's text, or its name if it has none."""
    return str(error).strip() or (error if isinstance(error, str) else type(error).__name__)
