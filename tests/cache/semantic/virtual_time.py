"""An event loop whose clock jumps to the next timer: minutes of waiting take a moment, on any machine alike."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.SelectSelector):
    """Lets the time that it should wait pass at once."""

    passed_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        self.passed_s += timeout or 0.0
        return super().select(0)


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._passing = _Selector()
        super().__init__(self._passing)

    def time(self) -> float:
        return self._passing.passed_s


def run_virtually(work: Coroutine[Any, Any, T]) -> T:
    """Runs to the end what waits for nothing but timers and other tasks."""
    with asyncio.Runner(loop_factory=_VirtualLoop) as runner:
        return runner.run(work)
