"""What the router needs from a provider: one stream per call, and errors that say whether a retry may help."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from enum import Enum, auto
from typing import Protocol

from weft.common.v1 import chat_pb2, error_pb2
from weft.inference.v1 import inference_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_kit.joblog import MESSAGE_CHARACTERS
from weft_kit.rpc.errors import Reason
from weft_kit.shortening import shortened

Step = inference_pb2.Admitted | event_pb2.Delta | chat_pb2.Usage | inference_pb2.Finished
"""One step of an answer: perhaps `Admitted`, then any number of `Delta`, then exactly one `Finished`.

`Usage` may come before the end, so that the cost of a call is known even if the end never comes.
"""

_REQUESTS_FAULTS = (
    error_pb2.ERROR_REASON_PROVIDER_REJECTED,
    error_pb2.ERROR_REASON_UNSUPPORTED,
    error_pb2.ERROR_REASON_ANSWER_INVALID,
)


class Remedy(Enum):
    """What may help after a failure."""

    NOTHING = auto()
    NEXT_ROUTE = auto()
    """Another route, once, preferably another provider's: the fault may be the request's, or only this provider's
    rules.
    """
    ANOTHER_PROVIDER = auto()
    ANOTHER_ROUTE = auto()
    """Another provider, or another model of the same one."""
    ANOTHER_TRY = auto()
    ANOTHER_REPLICA = auto()
    """An immediate retry: the replica that was called is shutting down, which says nothing about the others."""

    @property
    def may_pass(self) -> bool:
        """Whether the same call may succeed later."""
        return self in (Remedy.ANOTHER_TRY, Remedy.ANOTHER_REPLICA)


class ProviderError(Exception):
    """A call failed. `message` is for developers: it names the next step and contains no secrets.

    `http_status` is the provider's status, if it answered; `retry_after_s` the wait that it asks for, if it does.
    `is_impatience` says that a limit of the request's own passed, which was stricter than the operator's.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        remedy: Remedy = Remedy.ANOTHER_TRY,
        retry_after_s: float | None = None,
        *,
        is_impatience: bool = False,
        http_status: int | None = None,
    ) -> None:
        self.message = shortened(message, MESSAGE_CHARACTERS)
        super().__init__(self.message)
        self.reason = reason
        self.remedy = remedy
        self.retry_after_s = retry_after_s
        self.is_impatience = is_impatience
        self.http_status = http_status

    @property
    def reason_name(self) -> str:
        return error_pb2.ErrorReason.Name(self.reason).removeprefix("ERROR_REASON_")

    @property
    def kind(self) -> str:
        """What people other than the job's owner may see: a provider's own words may quote the prompt."""
        return self.reason_name if self.http_status is None else f"{self.reason_name} (HTTP {self.http_status})"

    @property
    def is_requests_fault(self) -> bool:
        """Whether the failure is due to this request, and so says nothing about the provider."""
        return self.is_impatience or self.reason in _REQUESTS_FAULTS

    def to_wire(self) -> job_pb2.JobError:
        return job_pb2.JobError(reason=self.reason, message=self.message, retryable=self.remedy.may_pass)


def broken(what: str) -> ProviderError:
    """Returns the failure of a provider whose stream breaks its own format."""
    message = f"the provider {what}; try again, and look at the provider itself if it happens each time"
    return ProviderError(error_pb2.ERROR_REASON_PROVIDER_STREAM_BROKEN, message)


def unsupported(what: str) -> ProviderError:
    """Returns the failure of a request that this provider is known in advance not to accept."""
    return ProviderError(error_pb2.ERROR_REASON_UNSUPPORTED, what, Remedy.ANOTHER_PROVIDER)


class Provider(Protocol):
    """One provider. Calls may run concurrently."""

    def stream(
        self, request: inference_pb2.GenerateRequest, limit_s: float
    ) -> AbstractAsyncContextManager[AsyncIterator[Step]]:
        """Calls the provider for an answer, for at most `limit_s` seconds.

        Leaving the context before `Finished` stops the provider: its connection closes or its engine aborts. Any
        failure, inside the context too, is a ProviderError; so is a stream without an end.
        """

    def changes(self, request: inference_pb2.GenerateRequest) -> Sequence[str]:
        """Returns the settings that are not sent to the model, or changed for it: "without seed, which …"."""

    async def continues_prefix(self) -> bool:
        """Returns whether `request.prefix` is honoured, so that an answer can continue where it was cut off."""

    async def check(self, model: str, limit_s: float) -> None:
        """Makes the cheapest real call, for `model` if one has to be named, in at most `limit_s` seconds.

        Raises:
            ProviderError: the provider cannot be used.
        """
