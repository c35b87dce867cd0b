"""A client, and a gateway that says what a test tells it to."""

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from tests.client.gateways import Act, ScriptedGateway, ScriptedWebhooks, serving

from weft.job.v1 import event_pb2, job_pb2
from weft_client import WeftClient


class Say:
    """Events of one job, numbered in the order they are made, with gaps, as the log would."""

    job_id = "n-test-1"

    def __init__(self) -> None:
        self._sequence = 0

    def accepted(self) -> event_pb2.JobEvent:
        return self.event(accepted=event_pb2.Accepted(tenant="t"))

    def started(self, attempt: int = 1) -> event_pb2.JobEvent:
        return self.event(started=event_pb2.Started(attempt=attempt))

    def delta(self, text: str, reasoning: str = "") -> event_pb2.JobEvent:
        return self.event(delta=event_pb2.Delta(text=text, reasoning=reasoning))

    def rewound(self, to: event_pb2.JobEvent) -> event_pb2.JobEvent:
        return self.event(rewound=event_pb2.Rewound(to_sequence=to.sequence))

    def done(self, text: str, text_hash: str = "", reasoning: str = "") -> event_pb2.JobEvent:
        return self.event(
            done=event_pb2.Done(
                state=job_pb2.JOB_STATE_SUCCEEDED,
                answer=job_pb2.Answer(text=text, reasoning=reasoning),
                text_hash=text_hash or hashlib.sha256(text.encode()).hexdigest(),
            )
        )

    def event(self, **step: object) -> event_pb2.JobEvent:
        self._sequence += 3
        return event_pb2.JobEvent(job_id=self.job_id, sequence=self._sequence, **step)


@pytest.fixture
def say() -> Say:
    return Say()


@pytest.fixture
def playing() -> Callable[..., AbstractAsyncContextManager[tuple[WeftClient, ScriptedGateway]]]:
    """Serves a gateway that plays the acts, and opens a client to it."""

    @asynccontextmanager
    async def serve(*acts: Act, patience_s: float = 30.0) -> AsyncIterator[tuple[WeftClient, ScriptedGateway]]:
        gateway = ScriptedGateway(*acts)
        async with serving(gateway) as address, WeftClient(address, "key", patience_s=patience_s) as client:
            yield client, gateway

    return serve


@pytest.fixture
def posting() -> Callable[..., AbstractAsyncContextManager[tuple[WeftClient, ScriptedWebhooks]]]:
    """Serves webhooks, and opens a client to them."""

    @asynccontextmanager
    async def serve() -> AsyncIterator[tuple[WeftClient, ScriptedWebhooks]]:
        webhooks = ScriptedWebhooks()
        async with serving(ScriptedGateway(), webhooks) as address, WeftClient(address, "key") as client:
            yield client, webhooks

    return serve
