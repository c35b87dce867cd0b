"""The service with the real embedder, in a process of its own."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator

import pytest

from weft.inference.v1 import inference_pb2, inference_pb2_grpc
from weft_kit.channel import Channel


@pytest.fixture
async def real_inference(tmp_path_factory: pytest.TempPathFactory, unused_tcp_port: int) -> AsyncIterator[str]:
    address = f"127.0.0.1:{unused_tcp_port}"
    environment = {
        **os.environ,
        "WEFT_INFERENCE_ENGINE": "echo",
        "WEFT_INFERENCE_LISTEN": address,
        "WEFT_INFERENCE_STATE_DIR": str(tmp_path_factory.mktemp("inference")),
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "weft_inference", env=environment)
    try:
        async with Channel(address, "inference") as channel:
            stub = inference_pb2_grpc.InferenceServiceStub(channel.raw)
            await stub.GetEngine(inference_pb2.GetEngineRequest(), wait_for_ready=True, timeout=60)
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()


async def test_a_document_is_found_by_its_meaning_to_its_very_end(running, postgres_url, real_inference):
    filler = "The committee met on Tuesday and discussed the budget of the library at some length. "
    report = "# Minutes\n\n" + filler * 40 + "Afterwards a cat gave birth to four kittens under the table."
    async with running(postgres_url, inference_target=real_inference) as client_of:
        client = client_of("acme")
        await client.create()
        ingested = await client.ingest(report, "minutes.md")
        await client.ingest("Bread is made of flour, water and salt.", "bread")
        await client.ingest("The moon pulls the sea.", "tides")
        assert ingested.document.chunk_count == 1
        hits = (await client.search("newborn felines")).hits
        assert hits[0].document_id == "minutes.md"
        assert not hits[0].HasField("keyword")
        assert (await client.get()).embedder
