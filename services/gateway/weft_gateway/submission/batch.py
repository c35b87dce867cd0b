"""Many requests in one call, each answered separately."""

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from typing import Final

from weft.common.v1 import error_pb2
from weft.job.v1 import job_pb2
from weft_gateway.submission.envelope import Submission
from weft_kit.rpc.channel import MAX_MESSAGE_BYTES
from weft_kit.rpc.errors import (
    DependencyDown,
    Invalid,
    InvalidFields,
    WeftError,
)

_MOST: Final = 1_000
_AT_ONCE: Final = 64
# The response repeats the requests, and may add the answers of jobs from an earlier call.
LARGEST_BYTES: Final = MAX_MESSAGE_BYTES // 2

Outcome = job_pb2.Job | WeftError


def check_batch(orders: Sequence[Submission]) -> None:
    """Raises InvalidFields when there are none or too many, Invalid when they are too large together."""
    if not 1 <= len(orders) <= _MOST:
        raise InvalidFields({"requests": f"must be 1-{_MOST}, are {len(orders)}"})
    size_bytes = sum(order.request.ByteSize() for order in orders)
    if size_bytes > LARGEST_BYTES:
        raise Invalid(
            error_pb2.ERROR_REASON_REQUEST_TOO_LARGE,
            f"the requests have {size_bytes} bytes, at most {LARGEST_BYTES} are taken at once; send fewer in a call",
            size_bytes=str(size_bytes),
            limit_bytes=str(LARGEST_BYTES),
        )


async def outcomes(submits: Iterable[Coroutine[object, object, job_pb2.Job]]) -> list[Outcome]:
    """Yields the outcome of each submit, in order; at most 64 run at once.

    Once the log was down for one of them, those that have not begun fail with the same error: each would wait as long.
    """
    return await _JobBatch().outcomes(submits)


class _JobBatch:
    def __init__(self) -> None:
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._beginning = asyncio.Lock()
        self._away: DependencyDown | None = None

    async def outcomes(self, submits: Iterable[Coroutine[object, object, job_pb2.Job]]) -> list[Outcome]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._outcome(submit)) for submit in submits]
        return [task.result() for task in tasks]

    async def _outcome(self, submit: Coroutine[object, object, job_pb2.Job]) -> Outcome:
        async with self._places:
            # Checking a request takes milliseconds: all other calls run before the next one is checked.
            async with self._beginning:
                await asyncio.sleep(0)
            if self._away is not None:
                submit.close()
                return self._away
            try:
                return await submit
            except WeftError as error:
                if isinstance(error, DependencyDown) and error.metadata["dependency"] == "nats":
                    self._away = error
                return error
