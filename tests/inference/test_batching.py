"""Batches shared by concurrent requests: who is read together, and who waits for whom."""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from weft_inference.encoders.batching import (
    Batcher,
    Request,
    choose,
    pack,
)
from weft_inference.encoders.embedding import SHORT_TOKENS, Embedder, whole
from weft_kit.rpc.context import CallContext, bound
from weft_kit.rpc.errors import DeadlineExceeded, Overloaded


def request(*lengths: int) -> Request:
    return Request([[0] * length for length in lengths], whole, asyncio.get_running_loop().create_future())


def lengths_of(texts) -> list[int]:
    return [len(one.rows[place]) for one, place in texts]


async def test_every_request_has_its_turn_before_any_has_two():
    large, small = request(*[100] * 50), request(10)
    waiting = {"acme": deque([large, small])}
    assert lengths_of(choose(waiting, budget_tokens=250)) == [100, 10, 100]
    assert waiting == {"acme": deque([large])}


async def test_every_tenant_has_its_turn_however_many_requests_another_has():
    crowd, single = [request(100) for _ in range(50)], request(10, 10)
    waiting = {"crowd": deque(crowd), "single": deque([single])}
    assert lengths_of(choose(waiting, budget_tokens=250)) == [100, 10, 100, 10]
    assert waiting == {"crowd": deque(crowd[2:])}


async def test_a_tenant_is_taken_in_however_much_of_anothers_waits(encoder):
    rows = [encoder.windows("words " * 60)[0]] * 4
    async with Batcher(encoder, budget_tokens=64, limit_tokens=64) as batcher:
        with bound(CallContext(tenant="crowd")):
            crowd = asyncio.create_task(batcher.run(rows, whole))
            await asyncio.sleep(0)
            with pytest.raises(Overloaded):
                await batcher.run(rows, whole)
        with bound(CallContext(tenant="single")):
            assert len(await batcher.run(rows[:1], whole)) == 1
        assert not crowd.done()
        await crowd


async def test_a_text_larger_than_the_budget_is_read_alone():
    waiting = {"acme": deque([request(256), request(256)])}
    assert lengths_of(choose(waiting, budget_tokens=100)) == [256]
    assert lengths_of(choose(waiting, budget_tokens=100)) == [256]
    assert not waiting


async def test_short_texts_are_not_padded_to_long_ones():
    texts = choose({"acme": deque([request(250, 8, 240, 9)])}, budget_tokens=1000)
    assert [lengths_of(group) for group in pack(texts)] == [[8, 9], [240, 250]]


async def test_a_single_query_overtakes_a_large_request(encoder):
    windows = [encoder.windows("a fairly long sentence about nothing in particular " * 20)[0]] * 24
    async with Batcher(encoder, budget_tokens=512, limit_tokens=100_000) as batcher:
        large = asyncio.create_task(batcher.run(windows, whole))
        await asyncio.sleep(0)
        await batcher.run(encoder.windows("a query"), whole)
        assert not large.done()
        assert len(await large) == 24


async def test_concurrent_requests_get_their_own_vectors_in_order(encoder):
    rows = [encoder.windows(text)[0] for text in ("one", "two little words", "three words here, and more")]
    alone = [encoder.run([row])[0].embedding for row in rows]
    async with Batcher(encoder, budget_tokens=512, limit_tokens=100_000) as batcher:
        answers = await asyncio.gather(batcher.run(rows, whole), *(batcher.run([row], whole) for row in rows))
    for got in (answers[0], [vectors[0] for vectors in answers[1:]]):
        assert (np.stack(got) * np.stack(alone)).sum(axis=1) == pytest.approx(1, abs=1e-5)


async def test_too_much_waiting_is_refused(encoder):
    async with Batcher(encoder, budget_tokens=64, limit_tokens=64) as batcher:
        first = asyncio.create_task(batcher.run([encoder.windows("words " * 60)[0]] * 4, whole))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await batcher.run([encoder.windows("words " * 60)[0]], whole)
        await first


async def test_a_caller_that_leaves_takes_its_texts_along(encoder):
    async with Batcher(encoder, budget_tokens=64, limit_tokens=2000) as batcher:
        rows = [encoder.windows("words " * 60)[0]] * 20
        task = asyncio.create_task(batcher.run(rows, whole))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # Were the first twenty still counted, these would be too much.
        assert len(await batcher.run(rows, whole)) == 20


async def test_a_failure_reaches_its_caller_and_the_next_request_is_read(encoder):
    def broken(_: object) -> np.ndarray:
        raise ZeroDivisionError

    async with Batcher(encoder, budget_tokens=512, limit_tokens=1000) as batcher:
        with pytest.raises(ZeroDivisionError):
            await batcher.run(encoder.windows("a"), broken)
        assert len(await batcher.run(encoder.windows("a"), whole)) == 1


class Held:
    """Reads long rows only once it is let go."""

    def __init__(self, encoder) -> None:
        self._encoder = encoder
        self.reads_long = threading.Event()
        self.goes_on = threading.Event()

    def run(self, rows):
        if any(len(row) > SHORT_TOKENS for row in rows):
            self.reads_long.set()
            self.goes_on.wait()
        return self._encoder.run(rows)


async def test_a_question_is_read_beside_a_batch_of_documents(encoder):
    held = Held(encoder)
    async with Batcher(held, 512, 10_000) as batcher, Batcher(held, 512, 10_000) as short:
        embedder = Embedder(encoder, batcher, short)
        documents = asyncio.create_task(embedder.embed(["words " * 200]))
        try:
            await asyncio.to_thread(held.reads_long.wait)
            question = await embedder.embed(["What is the fee?"])
            assert len(question.vectors) == 1
            assert not documents.done()
        finally:
            held.goes_on.set()
        assert len((await documents).vectors) == 1


class Gate:
    """Reads nothing until it is let go, and remembers what it read."""

    def __init__(self) -> None:
        self.reads = threading.Event()
        self.goes_on = threading.Event()
        self.read: list[list[int]] = []

    def run(self, rows):
        self.reads.set()
        self.goes_on.wait()
        self.read += rows
        return rows


@asynccontextmanager
async def held(gate: Gate) -> AsyncIterator[Batcher]:
    """A batcher that reads one text and has not finished it."""
    async with Batcher(gate, budget_tokens=64, limit_tokens=10**6) as batcher:
        with bound(CallContext(tenant="first")):
            first = asyncio.create_task(batcher.run([[1]], len))
        await asyncio.to_thread(gate.reads.wait)
        try:
            yield batcher
        finally:
            gate.goes_on.set()
            await first


async def test_what_is_too_late_is_not_chosen():
    late, good = request(10), request(20)
    late.deadline = 5.0
    waiting = {"acme": deque([late]), "other": deque([good])}
    assert lengths_of(choose(waiting, budget_tokens=100, now=5.0)) == [20]
    assert not waiting
    with pytest.raises(DeadlineExceeded):
        await late.answer


async def test_texts_whose_deadline_passes_while_they_wait_are_never_read():
    gate, loop = Gate(), asyncio.get_running_loop()
    async with held(gate) as batcher:
        with bound(CallContext(tenant="hurried", deadline=loop.time() + 0.5)):
            hurried = asyncio.create_task(batcher.run([[2] * 8], len))
        with bound(CallContext(tenant="patient")):
            patient = asyncio.create_task(batcher.run([[3] * 8], len))
        await asyncio.sleep(0.6)
        gate.goes_on.set()
        with pytest.raises(DeadlineExceeded):
            await hurried
        assert await patient == [8]
    assert gate.read == [[1], [3] * 8]


async def test_whoever_would_be_read_too_late_is_refused_at_once_and_other_tenants_are_not():
    gate, loop = Gate(), asyncio.get_running_loop()
    rows = [[2] * 400]
    async with held(gate) as batcher, asyncio.TaskGroup() as group:
        soon = loop.time() + 5.0
        with bound(CallContext(tenant="crowd")):
            crowd = [group.create_task(batcher.run(rows, len)) for _ in range(100)]  # worth 10 s, as it is guessed
            await asyncio.sleep(0)
        with bound(CallContext(tenant="crowd", deadline=soon)), pytest.raises(Overloaded) as refused:
            await batcher.run(rows, len)
        assert refused.value.retry_after_s == pytest.approx(10, rel=0.1)
        with bound(CallContext(tenant="single", deadline=soon)):
            single = group.create_task(batcher.run(rows, len))
            await asyncio.sleep(0)
        gate.goes_on.set()
        assert await single == [400]
        assert not crowd[-1].done()


async def test_a_small_request_is_not_refused_for_a_large_one_of_its_tenant():
    gate, loop = Gate(), asyncio.get_running_loop()
    async with held(gate) as batcher, asyncio.TaskGroup() as group:
        with bound(CallContext(tenant="acme")):
            group.create_task(batcher.run([[2] * 400] * 100, len))
            await asyncio.sleep(0)
        with bound(CallContext(tenant="acme", deadline=loop.time() + 5.0)):
            question = group.create_task(batcher.run([[3] * 10], len))
            await asyncio.sleep(0)
        gate.goes_on.set()
        assert await question == [10]
