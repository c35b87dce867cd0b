"""Limits on the process of one document, and what it gives up before it sees the document."""

import ctypes
import os
import resource
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38
_MOST_FILES: Final = 64
"""Modules and codecs that are loaded when first needed are files."""

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def keep_only(descriptor: int) -> int:
    """Closes every file descriptor but one; returns its new number. Standard streams lead nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    kept = os.dup(descriptor)
    for stream in range(3):
        os.dup2(nowhere, stream)
    os.dup2(kept, 3)
    os.closerange(4, os.sysconf("SC_OPEN_MAX"))
    return 3


def die_with(parent: int) -> None:
    """Has the kernel kill this process when its parent dies, where it can (Linux)."""
    if _libc:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def limit_time(cpu_s: int) -> None:
    """Limits the CPU time from now on; the signal at its end identifies the cause."""
    soft = round(time.process_time()) + cpu_s
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    _set(resource.RLIMIT_CPU, soft, hard)


def limit(memory_bytes: int) -> None:
    """Limits memory beyond what the process has already; forbids writing files and starting processes."""
    for what, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, _MOST_FILES),
        (resource.RLIMIT_NPROC, 0),
    ):
        _set(what, most, most)
    with suppress(OSError):  # macOS has no /proc and does not enforce this limit
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + memory_bytes
        _set(resource.RLIMIT_AS, most, most)
        # If the machine runs out of memory before the limit, this process is killed first.
        Path("/proc/self/oom_score_adj").write_text("1000")


def _set(what: int, soft: int, hard: int) -> None:
    """Sets a limit; a lower one stays."""
    ceiling = resource.getrlimit(what)[1]
    if ceiling != resource.RLIM_INFINITY:
        soft, hard = min(soft, ceiling), min(hard, ceiling)
    resource.setrlimit(what, (soft, hard))
