"""A call with many documents is read and checked one document at a time, and all other calls go on meanwhile."""

import asyncio
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any, TypeVar, cast

from weft.retrieval.v1 import retrieval_pb2 as pb
from weft_kit.tasks import background
from weft_retrieval import wire
from weft_retrieval.ingest_jobs.requests import arrivals

T = TypeVar("T")


async def with_turns(work: Coroutine[Any, Any, T]) -> tuple[T, int]:
    """Returns what work does, and how many turns somebody else had meanwhile."""
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with background(others()):
        return await work, turns


async def test_other_calls_have_a_turn_between_any_two_documents():
    documents = [pb.Document(document_id=str(number), content=b"words") for number in range(100)]
    uploads, turns = await with_turns(wire.uploads(documents))
    assert turns >= 99
    checked = []
    ingestor = cast("Any", SimpleNamespace(check=checked.append))
    arrived, turns = await with_turns(arrivals(uploads, ingestor))
    assert turns >= 99
    assert checked == uploads == [arrival.upload for arrival in arrived]


async def test_other_calls_have_many_turns_while_large_documents_are_read():
    document = pb.Document(document_id="a", content=b"words")
    document.metadata.update({"numbers": [0] * 1000})
    reading = asyncio.create_task(wire.uploads([document] * 20))
    for _ in range(50):
        await asyncio.sleep(0)
    assert not reading.done()
    assert len(await reading) == 20
