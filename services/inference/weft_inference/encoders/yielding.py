"""Threads that yield the CPU: work that is not urgent uses the time that others leave."""

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

T = TypeVar("T")

_NICENESS: Final = 10
"""Gives a tenth of the CPU time of a normal thread that competes for it. At a third, other requests took 2.4 times as
long next to a large document as alone (p99); at a tenth, 1.4 times."""


def yield_cpu() -> None:
    """Raises the niceness of this thread and of all threads that it starts.

    Linux has a niceness per thread (sched(7)). Elsewhere it belongs to the whole process, so this does nothing.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + _NICENESS)


def in_yielding_thread(work: Callable[[], T]) -> T:
    """Returns the result of `work`, run in a thread that yields; the threads it starts yield as well."""
    with ThreadPoolExecutor(1, initializer=yield_cpu) as thread:
        return thread.submit(work).result()
