"""Searches come first: processes for documents get the CPU time that others leave, however the kernel divides it."""

import errno
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

_NICENESS: Final = 10
"""A tenth of the CPU time that others get who want it at the same moment."""
_LEAST: Final = 19
_TRIES: Final = 20
_PAUSE_S: Final = 0.05
_SESSION: Final = "/proc/{}/autogroup"


def yield_to(service: int) -> None:
    """Lets the process `service`, and everything that runs beside it, go before this process and its children.

    By niceness; where the service itself runs so low that too little is left, as what the kernel hardly runs while
    anything else wants to (SCHED_IDLE). Neither says anything between processes of two sessions where the kernel shares
    CPU time out by session first (autogroup, which many distributions turn on): there this session is made nicer than
    the service's.
    """
    before = os.getpriority(os.PRIO_PROCESS, 0)
    if os.nice(_NICENESS) < before + _NICENESS and hasattr(os, "SCHED_IDLE"):
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    if session_niceness(os.getpid()) is None or os.getsid(service) == os.getsid(0):
        return
    # Not ours to write to in some containers.
    with suppress(OSError):
        _make_session_nice(min((session_niceness(service) or 0) + _NICENESS, _LEAST))


def session_niceness(pid: int) -> int | None:
    """Returns how nice the session of a process is, as autogroup has it; None where the kernel keeps none for it."""
    try:
        # Such as "/autogroup-55 nice 0"; nothing for what runs since before the first session.
        said = Path(_SESSION.format(pid)).read_text()
    except OSError:
        return None
    return int(said.rpartition(" ")[2]) if said.strip() else None


def _make_session_nice(niceness: int) -> None:
    """Waits for the kernel, which takes ten such changes a second from all users together."""
    for _ in range(_TRIES):
        try:
            Path(_SESSION.format("self")).write_text(str(niceness))
        except OSError as error:
            if error.errno != errno.EAGAIN:
                raise
            time.sleep(_PAUSE_S)
        else:
            return
