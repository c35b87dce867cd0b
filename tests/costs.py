"""What a call costs as its input grows: a ratio, so that no machine is too slow for it."""

import statistics
import time
from collections.abc import Callable

_GROWTH = 4
_MOST = 9
_REPEATS = 3
_LEAST_S = 0.004


def assert_linear(call: Callable[[str], object], make: Callable[[int], str], size: int) -> None:
    """Fails unless four times the input costs about four times as much; the square of it would be sixteen.

    Inputs grow until they can be measured. Costs are of this thread's processor time.
    """
    for _ in range(3):
        small = _cost(call, make(size))
        while small < _LEAST_S and size < 2**20:
            size *= 2
            small = _cost(call, make(size))
        ratio = _cost(call, make(_GROWTH * size)) / max(small, _LEAST_S)
        if ratio < _MOST:
            return
    raise AssertionError(f"{_GROWTH} times {size} characters cost {ratio:.1f} times as much, whenever measured")


def _cost(call: Callable[[str], object], text: str) -> float:
    return statistics.median(_once(call, text) for _ in range(_REPEATS))


def _once(call: Callable[[str], object], text: str) -> float:
    began = time.thread_time()
    call(text)
    return time.thread_time() - began
