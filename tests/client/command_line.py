"""The `weft` command in a process of its own."""

import asyncio
import sys


async def weft(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
    """Runs the command to its end; returns exit code, stdout and stderr."""
    process = await started(*arguments)
    out, err = await process.communicate(stdin.encode())
    return process.returncode or 0, out.decode(), err.decode()


async def started(*arguments: str) -> asyncio.subprocess.Process:
    command = [sys.executable, "-c", "from weft_client.cli import app; app()", *arguments]
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
