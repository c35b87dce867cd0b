"""How a request becomes an envelope: checked, measured, hashed and given an expiry."""

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from weft.common.v1 import error_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_gateway.submission.validation import check, check_size
from weft_gateway.webhooks.signing import webhooks_off
from weft_kit.joblog import envelope_of, text_hash
from weft_kit.rpc.context import CallContext
from weft_kit.rpc.errors import AlreadyExists, InvalidFields
from weft_kit.rpc.time import seconds_of


@dataclass(frozen=True, slots=True)
class Submission:
    """A request as its caller sent it. With `expire_with_call` the job ends with the call's deadline, if not before."""

    request_id: str
    request: job_pb2.GenerationRequest
    expire_with_call: bool = False


@dataclass(frozen=True, slots=True)
class EnvelopeRules:
    """The rules that requests are checked against. `models` is read anew for each request, since it may change."""

    models: Callable[[], Collection[str]]
    largest_bytes: int
    default_timeout_s: float
    longest_timeout_s: float
    """The log's retention: a job that outlived it would lose its own envelope."""
    webhooks: bool
    """Whether webhooks can be signed here; if not, requests that want one are refused."""

    def envelope(self, caller: CallContext, order: Submission, now: datetime, left_s: float) -> event_pb2.Accepted:
        """Returns the envelope of an acceptable request from a caller who waits for `left_s`.

        Raises Invalid, with every violation at once, and FailedPrecondition for a webhook that could not be signed.
        """
        request = order.request
        encoded = request.SerializeToString(deterministic=True)
        check_size(len(encoded), self.largest_bytes)
        check(order.request_id, request, self.models())
        if request.webhook_url and not self.webhooks:
            raise webhooks_off()
        timeout_s = self._timeout_s(request)
        if order.expire_with_call:
            timeout_s = min(timeout_s, left_s)
        accepted = event_pb2.Accepted(
            tenant=caller.tenant,
            key_id=caller.key_id,
            request=request,
            request_id=order.request_id,
            request_hash=hashlib.sha256(encoded).hexdigest(),
            traceparent=caller.traceparent,
        )
        accepted.expire_time.FromDatetime(now + timedelta(seconds=timeout_s))
        return accepted

    def _timeout_s(self, request: job_pb2.GenerationRequest) -> float:
        if not request.HasField("timeout"):
            return min(self.default_timeout_s, self.longest_timeout_s)
        timeout_s = seconds_of(request.timeout)
        if timeout_s > self.longest_timeout_s:
            problem = f"must be at most {self.longest_timeout_s:g} s, as long as the log keeps jobs, is {timeout_s:g} s"
            raise InvalidFields({"request.timeout": problem})
        return timeout_s


def answered(accepted: event_pb2.Accepted, answer: job_pb2.Answer, hit: job_pb2.CacheHit) -> event_pb2.Done:
    """Returns the only event of a job that the cache answered. No provider ran, so it used no tokens of its own."""
    return event_pb2.Done(
        state=job_pb2.JOB_STATE_SUCCEEDED,
        answer=answer,
        text_hash=text_hash(answer.text),
        cache_hit=hit,
        accepted=accepted,
    )


def check_repeat(first: event_pb2.JobEvent, accepted: event_pb2.Accepted) -> None:
    """Raises AlreadyExists when a request id is used again with another request, or after its job was deleted."""
    if first.HasField("deleted"):
        message = "request_id was used by a job that was deleted; use a new one"
        raise AlreadyExists(error_pb2.ERROR_REASON_REQUEST_ID_REUSED, message)
    before = envelope_of(first)
    if before.request_hash != accepted.request_hash or before.tenant != accepted.tenant:
        raise AlreadyExists(
            error_pb2.ERROR_REASON_REQUEST_ID_REUSED,
            "request_id was used with another request; use a new one, or send the first request again unchanged",
            first_request_hash=before.request_hash,
            request_hash=accepted.request_hash,
        )


def utc_now() -> datetime:
    return datetime.now(UTC)
