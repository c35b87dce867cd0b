"""An inference service that hangs: lookups miss at their limit, and soon do not wait at all."""

import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.support.inference_process import InferenceProcess, inference_process

from weft.cache.v1 import cache_pb2 as pb

DARK = "How do I turn on dark mode?"
PARAPHRASE = "how do i turn on dark mode"
LIMIT_S = 3.0
SOON_S = 1.5


@pytest.fixture(scope="module")
def inference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InferenceProcess]:
    with inference_process(tmp_path_factory.mktemp("inference")) as process:
        yield process


@contextmanager
def hanging(inference: InferenceProcess) -> Iterator[None]:
    inference.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        inference.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("remembered_vectors", [1024, 0], ids=["comparing", "embedding"])
async def test_what_hangs_costs_a_few_lookups_their_limit_and_the_rest_nothing(
    serving, redis_url, inference, generation, finished, remembered_vectors
):
    limits = {"lookup_limit_s": LIMIT_S, "silence_s": LIMIT_S / 2, "rest_s": 60.0}
    settings = {"redis_url": redis_url, "inference_target": inference.target, "remembered_vectors": remembered_vectors}
    async with serving(**settings, **limits) as client:
        await client.lookup(generation("Is anything here?"))  # the first search makes the index
        await client.store(generation(DARK), finished("In the settings."))
        assert (await client.lookup(generation(PARAPHRASE))).answer.text == "In the settings."
        with hanging(inference):
            began = time.monotonic()
            late = await asyncio.gather(*(client.lookup(generation(PARAPHRASE)) for _ in range(3)))
            assert LIMIT_S / 2 <= time.monotonic() - began < LIMIT_S + SOON_S
            began = time.monotonic()
            late.append(await client.lookup(generation(PARAPHRASE)))
            assert time.monotonic() - began < SOON_S
        assert {missed.reason for missed in late[:3]} == {pb.Missed.REASON_OVERLOADED}
        assert late[3].reason == pb.Missed.REASON_NOT_STORED
