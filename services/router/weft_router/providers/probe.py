"""Checks whether providers can be used, by calling them."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass

from weft.common.v1 import error_pb2
from weft_router.providers.provider import Provider, ProviderError


@dataclass(frozen=True, slots=True)
class ProbedProvider:
    """A provider to probe, and a model for the probe to name if it must."""

    name: str
    kind: str
    provider: Provider
    model: str


@dataclass(frozen=True, slots=True)
class Finding:
    """How a provider answered, and after how many seconds; `error` is None if it is healthy."""

    name: str
    kind: str
    after_s: float
    error: ProviderError | None


async def probe(patients: Iterable[ProbedProvider], limit_s: float) -> list[Finding]:
    """Returns the findings of probing all at once, each for at most `limit_s` seconds."""
    return await asyncio.gather(*(_examine(patient, limit_s) for patient in patients))


async def _examine(patient: ProbedProvider, limit_s: float) -> Finding:
    began = time.perf_counter()
    error = None
    try:
        async with asyncio.timeout(limit_s):
            await patient.provider.check(patient.model, limit_s)
    except ProviderError as failure:
        error = failure
    except TimeoutError:
        message = f"no whole answer within {limit_s:g} s; check base_url and that the provider is up"
        error = ProviderError(error_pb2.ERROR_REASON_PROVIDER_TIMEOUT, message)
    return Finding(patient.name, patient.kind, time.perf_counter() - began, error)
