"""Many jobs in few calls: split to fit a call, and each with its job or its own error as outcome."""

import asyncio
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from typing import Protocol, TypeAlias
from uuid import uuid4

import grpc

from weft.common.v1 import error_pb2
from weft.gateway.v1 import gateway_pb2 as pb
from weft.job.v1 import job_pb2
from weft_client.observer import Observer
from weft_client.retry import OutOfPatience, Patience, is_unavailable
from weft_kit.rpc.channel import MAX_MESSAGE_BYTES
from weft_kit.rpc.errors import WeftError
from weft_kit.rpc.status import PeerError
from weft_kit.rpc.time import seconds_of

Item: TypeAlias = job_pb2.GenerationRequest | pb.SubmitJobRequest
Outcome: TypeAlias = job_pb2.Job | WeftError


class Ask(Protocol):
    """Calls SubmitJobs once; raises WeftError."""

    def __call__(self, request: pb.SubmitJobsRequest, *, answer_s: float) -> Awaitable[pb.SubmitJobsResponse]: ...


_ITEMS = 1000
# The other half of a message is left for the framing of items.
_BYTES = MAX_MESSAGE_BYTES // 2
_CODES = {code.value[0]: code for code in grpc.StatusCode}


async def submit_all(items: Iterable[Item], ask: Ask, patience: Patience, observer: Observer) -> list[Outcome]:
    """Submits every item, one call at a time; returns the outcome of each, in order.

    A call or an item that is UNAVAILABLE is retried as long as patience lasts. A call that is finally refused has that
    error as the outcome of all its items; if no gateway answered properly, so have all items not sent yet.
    """
    batch = _Batch(ask, patience, observer)
    return [outcome for part in parts([_submission(item) for item in items]) for outcome in await batch.submit(part)]


def parts(submissions: Iterable[pb.SubmitJobRequest]) -> Iterator[list[pb.SubmitJobRequest]]:
    """Splits a batch so that no call has too many items or too many bytes."""
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


class _Batch:
    def __init__(self, ask: Ask, patience: Patience, observer: Observer) -> None:
        self._ask = ask
        self._patience = patience
        self._observer = observer
        self._given_up: WeftError | None = None

    async def submit(self, part: Sequence[pb.SubmitJobRequest]) -> list[Outcome]:
        if self._given_up is not None:
            return [self._given_up] * len(part)
        outcomes = await self._send(part)
        while failures := _worth_another_try(outcomes):
            hardest = max(failures.values(), key=lambda failure: failure.retry_after_s or 0.0)
            self._observer.on_failure(hardest)
            try:
                await self._patience.outlast(hardest)
            except OutOfPatience as given_up:
                if len(failures) < len(part):
                    return outcomes
                self._given_up = given_up
                return [given_up] * len(part)
            for at, found in zip(failures, await self._send([part[at] for at in failures]), strict=True):
                outcomes[at] = found
        self._patience.heard()
        self._observer.on_answer()
        return outcomes

    async def _send(self, part: Sequence[pb.SubmitJobRequest]) -> list[Outcome]:
        self._observer.on_call()
        answer_s = self._patience.try_s(asyncio.get_running_loop().time())
        try:
            answer = await self._ask(pb.SubmitJobsRequest(requests=part), answer_s=answer_s)
        except WeftError as refused:
            return [refused] * len(part)
        return [outcome(result) for result in answer.results]


def _worth_another_try(outcomes: Iterable[Outcome]) -> dict[int, WeftError]:
    """Returns the failures that may succeed next time, by their position."""
    return {at: found for at, found in enumerate(outcomes) if isinstance(found, WeftError) and is_unavailable(found)}


def _submission(item: Item) -> pb.SubmitJobRequest:
    """Gives an item its own request id, unless it has one: repeating its call is then harmless."""
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
        error.retry_after_s = seconds_of(said.retry_after)
    return error
