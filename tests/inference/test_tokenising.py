"""Where texts become tokens: short ones at once, long ones where nobody waits for them."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import Future

from weft_inference.encoders.tokenising import tokenised


def thread_of(texts: Sequence[str]) -> list[int]:
    return [threading.get_ident() for _ in texts]


async def test_a_question_is_read_where_it_arrives_and_a_document_in_a_thread():
    here = threading.get_ident()
    assert await tokenised(thread_of, ["a question"]) == [here]
    assert await tokenised(thread_of, ["x" * 16_000]) != [here]
    assert await tokenised(thread_of, ["x"], with_each=16_000) != [here]


async def test_texts_are_read_in_order_and_part_by_part():
    parts: list[int] = []

    def lengths(texts: Sequence[str]) -> list[int]:
        parts.append(len(texts))
        return [len(text) for text in texts]

    texts = ["x" * length for length in (60_000, 3_000, 2_000, 100_000, 1, 2)]
    assert await tokenised(lengths, texts) == [60_000, 3_000, 2_000, 100_000, 1, 2]
    assert parts == [2, 1, 1, 2]


async def test_what_a_caller_who_left_had_sent_is_not_read_to_its_end():
    begun: Future[None] = Future()
    goes_on, parts = threading.Event(), []

    def read(texts: Sequence[str]) -> Sequence[str]:
        parts.append(texts)
        begun.set_result(None)
        goes_on.wait()
        return texts

    reading = asyncio.create_task(tokenised(read, ["x" * 60_000] * 100))
    await asyncio.wrap_future(begun)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    goes_on.set()
    # Every thread has been free since, so nothing of it waits.
    await asyncio.gather(*(tokenised(thread_of, ["x" * 60_000]) for _ in range(8)))
    assert len(parts) == 1
