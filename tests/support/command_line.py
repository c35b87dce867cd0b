"""The `weft` command in a process of its own."""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

WEFT = Path(sys.executable).with_name("weft")
_PIPE = asyncio.subprocess.PIPE


async def weft(*arguments: str, stdin: str = "", env: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """Runs the command to its end; returns exit code, stdout and stderr."""
    process = await started(*arguments, env=env)
    out, err = await process.communicate(stdin.encode())
    return process.returncode or 0, out.decode(), err.decode()


async def started(
    *arguments: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: int | None = _PIPE,
    stderr: int | None = _PIPE,
) -> asyncio.subprocess.Process:
    """Begins the command, with pipes to and from it unless told otherwise; it may wait for the end of its stdin."""
    return await asyncio.create_subprocess_exec(
        WEFT, *arguments, env={**os.environ, **(env or {})}, cwd=cwd, stdin=stdin, stdout=_PIPE, stderr=stderr
    )
