"""Many jobs in few calls: cut to what a call may hold, and each answered with its job or its own error."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import TypeAlias
from uuid import uuid4

import grpc

from weft.common.v1 import error_pb2
from weft.gateway.v1 import gateway_pb2 as pb
from weft.job.v1 import job_pb2
from weft_client.patience import Patience, is_unavailable
from weft_kit.channel import MAX_MESSAGE_BYTES
from weft_kit.errors import WeftError
from weft_kit.status import PeerError

Item: TypeAlias = job_pb2.GenerationRequest | pb.SubmitJobRequest
Outcome: TypeAlias = job_pb2.Job | WeftError
Ask: TypeAlias = Callable[[pb.SubmitJobsRequest], Awaitable[pb.SubmitJobsResponse]]

_ITEMS = 1000
# The other half of a message is for what frames the items.
_BYTES = MAX_MESSAGE_BYTES // 2
_CODES = {code.value[0]: code for code in grpc.StatusCode}


async def submit_all(items: Iterable[Item], ask: Ask, patience_s: float) -> list[Outcome]:
    """Submits every item, a call at a time; returns what became of each, in order.

    What is UNAVAILABLE, a call or an item, is asked for again as long as patience lasts. A call that is refused in the
    end is the outcome of all its items.
    """
    patience = Patience(patience_s)
    outcomes: list[Outcome] = []
    for part in parts([_submission(item) for item in items]):
        outcomes += await _submit(part, ask, patience)
    return outcomes


def parts(submissions: Iterable[pb.SubmitJobRequest]) -> Iterator[list[pb.SubmitJobRequest]]:
    """Cuts a batch where a call would hold too many items or too many bytes."""
    part: list[pb.SubmitJobRequest] = []
    part_bytes = 0
    for submission in submissions:
        item_bytes = submission.ByteSize()
        if part and (len(part) == _ITEMS or part_bytes + item_bytes > _BYTES):
            yield part
            part, part_bytes = [], 0
        part.append(submission)
        part_bytes += item_bytes
    if part:
        yield part


def outcome(result: pb.SubmitJobsResult) -> Outcome:
    """Returns the job, or the error that SubmitJob would have raised for this item alone."""
    return _error(result.error) if result.HasField("error") else result.job


async def _submit(part: Sequence[pb.SubmitJobRequest], ask: Ask, patience: Patience) -> list[Outcome]:
    outcomes = await _send(part, ask)
    while failures := _worth_another_try(outcomes):
        hardest = max(failures.values(), key=lambda failure: failure.retry_after_s or 0.0)
        wait_s = patience.wait_s(hardest, asyncio.get_running_loop().time())
        if wait_s is None:
            return outcomes
        await asyncio.sleep(wait_s)
        for at, found in zip(failures, await _send([part[at] for at in failures], ask), strict=True):
            outcomes[at] = found
    patience.heard()
    return outcomes


async def _send(part: Sequence[pb.SubmitJobRequest], ask: Ask) -> list[Outcome]:
    try:
        return [outcome(result) for result in (await ask(pb.SubmitJobsRequest(requests=part))).results]
    except WeftError as refused:
        return [refused] * len(part)


def _worth_another_try(outcomes: Iterable[Outcome]) -> dict[int, WeftError]:
    """Returns the failures that may be another outcome next time, by their place."""
    return {at: found for at, found in enumerate(outcomes) if isinstance(found, WeftError) and is_unavailable(found)}


def _submission(item: Item) -> pb.SubmitJobRequest:
    """Gives an item an id of its own, unless it has one: repeating its call is then harmless."""
    given = item if isinstance(item, pb.SubmitJobRequest) else pb.SubmitJobRequest(request=item)
    if given.request_id:
        return given
    submission = pb.SubmitJobRequest(request_id=uuid4().hex)
    submission.MergeFrom(given)
    return submission


def _error(said: error_pb2.ItemError) -> WeftError:
    known = said.reason in error_pb2.ErrorReason.values()
    reason = said.reason if known else error_pb2.ERROR_REASON_UNSPECIFIED
    error = PeerError(_CODES.get(said.code, grpc.StatusCode.UNKNOWN), reason, said.message)
    error.metadata = dict(said.metadata)
    error.violations = dict(said.violations)
    if said.HasField("retry_after"):
        error.retry_after_s = said.retry_after.ToNanoseconds() / 1e9
    return error
