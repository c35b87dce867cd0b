"""What work costs, to compare one size with another: other processes and the garbage of other tests do not count."""

import gc
import time
from collections.abc import Callable
from statistics import median

_GROWTH = 4
_MOST = 9
_LEAST_S = 0.004


def cost_of(work: Callable[[], object], times: int = 9) -> float:
    """Returns the seconds of this thread that work takes, the median of some times."""
    gc.disable()
    try:
        return median(_once(work) for _ in range(times))
    finally:
        gc.enable()


def assert_linear(call: Callable[[str], object], make: Callable[[int], str], size: int) -> None:
    """Fails unless four times the input costs about four times as much; the square of it would be sixteen.

    Inputs grow until they can be measured.
    """

    def cost(length: int, times: int = 3) -> float:
        text = make(length)
        return cost_of(lambda: call(text), times)

    for _ in range(3):
        small = cost(size)
        while small < _LEAST_S and size < 2**18:
            size *= 2
            small = cost(size)
        # Once is enough: what disturbs it makes it cost more, never less.
        ratio = cost(_GROWTH * size, 1) / max(small, _LEAST_S)
        if ratio < _MOST:
            return
    raise AssertionError(f"{_GROWTH} times {size} characters cost {ratio:.1f} times as much, whenever measured")


def _once(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began
