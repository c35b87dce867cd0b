"""The command line in a process of its own, asking a house."""

import asyncio
import os
import sys

from tests.durability.house import TENANT, House

_WEFT = (sys.executable, "-c", "from weft_cli.app import app; app()")


async def ask(house: House, model: str, prompt: str, *options: str) -> asyncio.subprocess.Process:
    """Begins `weft ask`; its output is to be read from the process."""
    access = ("--endpoint", house.endpoint, "--key", house.keys[TENANT])
    return await asyncio.create_subprocess_exec(
        *_WEFT,
        *access,
        "ask",
        "--model",
        model,
        *options,
        prompt,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=asyncio.subprocess.PIPE,
    )


async def first_letter(command: asyncio.subprocess.Process) -> str:
    """Waits for the beginning of what it prints, which is the answer's."""
    assert command.stdout is not None
    return (await asyncio.wait_for(command.stdout.read(1), 20)).decode()
