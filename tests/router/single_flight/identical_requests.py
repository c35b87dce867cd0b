"""Requests that join others like them, the jobs that they become, and what each job spent."""

import asyncio
from collections.abc import Sequence
from typing import Any

from prometheus_client import REGISTRY
from tests.router.harness import Harness, asking

from weft.job.v1 import event_pb2, job_pb2
from weft_mock import Script

EXACT = job_pb2.CachePolicy(mode=job_pb2.CACHE_MODE_EXACT)
SLOW = Script(tokens=25, tokens_per_second=50)
ENDLESS = Script(tokens=5000, tokens_per_second=50)
SOON_S = 0.25


def alike(**fields: Any) -> job_pb2.GenerationRequest:
    """A request that joins others like it."""
    return asking(**({"cache": EXACT} | fields))


def flights(role: str) -> float:
    return REGISTRY.get_sample_value("weft_router_flights_total", {"role": role}) or 0.0


async def boarded(harness: Harness, *jobs: str) -> None:
    """Returns once each of these jobs has a text."""
    await asyncio.gather(*(harness.first(job_id, "delta") for job_id in jobs))


async def board(harness: Harness, tenant: str = "acme") -> str:
    """Returns a job like others, once it has a text."""
    job_id = await harness.submit(alike(), tenant=tenant)
    await boarded(harness, job_id)
    return job_id


def joined(done: event_pb2.Done) -> list[str]:
    return [attempt.joined_job_id for attempt in done.attempts]


def spent(dones: Sequence[event_pb2.Done]) -> list[int]:
    return sorted(done.total_usage.completion_tokens for done in dones)
