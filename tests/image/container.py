"""A container of the image under trial: it starts, tells whether it is healthy, and stops."""

import asyncio
import json
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_HEALTHY_WITHIN_S = 120.0
# Longer than services drain, as in docker-compose.yaml.
_GRACE_S = 20


class Unfit(Exception):
    """The image does not do what it is there for."""


async def docker(*arguments: str) -> str:
    """Runs a docker command; returns what it said.

    Raises:
        Unfit: it failed.
    """
    process = await asyncio.create_subprocess_exec("docker", *arguments, stdout=PIPE, stderr=STDOUT)
    said = (await process.communicate())[0].decode()
    if process.returncode:
        raise Unfit(f"docker {arguments[0]}: {said.strip()}")
    return said


@dataclass(frozen=True)
class Container:
    """One that runs on this machine's own network, where it reaches loopback servers and is reached."""

    name: str

    async def start(self, image: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        told = [text for name, value in environment.items() for text in ("--env", f"{name}={value}")]
        # Read-only but for its state: a service must not write beside its code.
        walls = ["--network", "host", "--read-only", "--tmpfs", "/tmp", "--volume", "/var/lib/weft"]  # noqa: S108 - its own
        await docker("run", "--detach", "--name", self.name, *walls, *told, image, *command)

    async def until_healthy(self) -> None:
        """Returns once the image's own health check has passed.

        Raises:
            Unfit: the container ended, or is not healthy in time; with the end of its log.
        """
        try:
            async with asyncio.timeout(_HEALTHY_WITHIN_S):
                while (state := await self._state())["Health"]["Status"] != "healthy":
                    if not state["Running"]:
                        raise Unfit(f"{self.name} ended with code {state['ExitCode']}: {await self.last_words()}")
                    await asyncio.sleep(0.5)
        except TimeoutError:
            words = await self.last_words()
            raise Unfit(f"{self.name} is not healthy after {_HEALTHY_WITHIN_S:.0f} s: {words}") from None

    async def stop(self) -> None:
        """Asks it to end.

        Raises:
            Unfit: it did not drain, and was killed or failed.
        """
        await docker("stop", "--time", str(_GRACE_S), self.name)
        if code := (await self._state())["ExitCode"]:
            raise Unfit(f"{self.name} ended with code {code} when it was stopped: {await self.last_words()}")

    async def remove(self) -> None:
        await docker("rm", "--force", "--volumes", self.name)

    async def last_words(self) -> str:
        return (await docker("logs", "--tail", "15", self.name)).strip()

    async def _state(self) -> dict[str, Any]:
        return json.loads(await docker("inspect", "--format", "{{json .State}}", self.name))
