"""Whether the log has room for new jobs: the last part is reserved for the final events of running jobs."""

import asyncio
from typing import Final

from weft_kit.joblog import JobLog
from weft_kit.rpc.errors import Overloaded

_FULL: Final = 0.9
_LOOK_EVERY_S: Final = 2.0
_WAIT_S: Final = 5.0


class LogCapacity:
    """Knows how full the log is, from checks that run independently of submits."""

    def __init__(self, log: JobLog) -> None:
        self._log = log
        self._fullness = 0.0

    def check(self) -> None:
        """Raises Overloaded while new jobs are not accepted."""
        if self._fullness > _FULL:
            message = f"the job log is {self._fullness:.0%} full; new jobs wait until older ones leave it"
            raise Overloaded(message, _WAIT_S)

    async def watch(self) -> None:
        """Runs for ever. Raises DependencyDown when the log stays down; the last observation then remains valid."""
        while True:
            self._fullness = await self._log.fullness()
            await asyncio.sleep(_LOOK_EVERY_S)
