"""The command line in a process of its own, asking an environment."""

import asyncio
from asyncio.subprocess import DEVNULL

from tests.durability.environment import TENANT, Environment
from tests.support.command_line import started


async def ask(environment: Environment, model: str, prompt: str, *options: str) -> asyncio.subprocess.Process:
    """Begins `weft ask`; its output is to be read from the process."""
    access = ("--endpoint", environment.endpoint, "--key", environment.keys[TENANT])
    arguments = (*access, "ask", "--model", model, *options, prompt)
    return await started(*arguments, env={"PYTHONUNBUFFERED": "1"}, stdin=DEVNULL, stderr=None)


async def first_letter(command: asyncio.subprocess.Process) -> str:
    """Waits for the beginning of what it prints, which is the answer's."""
    assert command.stdout is not None
    return (await asyncio.wait_for(command.stdout.read(1), 20)).decode()
