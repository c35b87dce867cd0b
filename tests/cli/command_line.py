"""The `weft` command in a process of its own."""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

WEFT = Path(sys.executable).with_name("weft")


async def weft(*arguments: str, stdin: str = "", env: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """Runs the command to its end; returns exit code, stdout and stderr."""
    process = await started(*arguments, env=env)
    out, err = await process.communicate(stdin.encode())
    return process.returncode or 0, out.decode(), err.decode()


async def started(*arguments: str, env: Mapping[str, str] | None = None) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        WEFT, *arguments, env={**os.environ, **(env or {})}, stdin=pipe, stdout=pipe, stderr=pipe
    )
