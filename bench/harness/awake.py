"""Keeps the machine's cores awake, which shows how much of a delay is their waking up."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import psutil

# Runs only when nothing else wants the core, and ends with the process that started it.
_SPIN: Final = """\
import os
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
while os.getppid() == {parent}:
    pass
"""


@asynccontextmanager
async def cores_awake() -> AsyncIterator[None]:
    """Keeps every core busy with what anything else goes before, while the context lasts."""
    spin = _SPIN.format(parent=os.getpid())
    spinning = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", spin) for _ in range(psutil.cpu_count() or 1)
    ]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            await process.wait()
