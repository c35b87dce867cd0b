"""What work costs, to compare one size with another: other processes and the garbage of other tests do not count."""

import gc
import time
from collections.abc import Callable
from statistics import median


def cost_of(work: Callable[[], object]) -> float:
    """Returns the seconds of this thread that work takes, the median of nine."""
    return median(_once(work) for _ in range(9))


def _once(work: Callable[[], object]) -> float:
    gc.collect()
    gc.disable()
    try:
        began = time.thread_time()
        work()
        return time.thread_time() - began
    finally:
        gc.enable()
