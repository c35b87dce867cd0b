"""Re-analysis: how fast a collection's words follow a change of its language, on an idle service."""

import asyncio
import time

from bench.retrieval_quality.filling import fill
from bench.retrieval_quality.scale import Ground
from bench.retrieval_quality.stage import service

CHUNKS = 2_000
_NAME = "another-language"
_LANGUAGE = "german"
_POLL_S = 0.5
_LIMIT_S = 900.0


async def chunks_per_s(ground: Ground) -> float:
    """Returns how many chunks per second are analysed again, until all are."""
    await fill(ground.postgres_url, _NAME, ground.source, ground.made, CHUNKS)
    async with service(ground.postgres_url, ground.free) as client, asyncio.timeout(_LIMIT_S):
        began = time.perf_counter()
        await client.set_language(_NAME, _LANGUAGE)
        # Only the collection itself says when it is done.
        while (await client.collection(_NAME)).analysing:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_S)
        return CHUNKS / (time.perf_counter() - began)
