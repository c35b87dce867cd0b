"""The service as a process: it starts, says it is healthy, and drains when told to stop."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE

from grpc_health.v1 import health_pb2, health_pb2_grpc
from tests.inference.calling import Client, asking

from weft_compose.ports import free_ports
from weft_kit.rpc.channel import Channel


async def test_sigterm_lets_a_running_answer_of_the_real_model_finish():
    address = f"127.0.0.1:{free_ports(1)[0]}"
    environment = os.environ | {"WEFT_INFERENCE_LISTEN": address, "WEFT_INFERENCE_CONTEXT_WINDOW": "1024"}
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "weft_inference", env=environment, stderr=PIPE)
    try:
        async with Channel(address, "inference") as channel:
            health = health_pb2_grpc.HealthStub(channel.raw)
            answer = await health.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=30)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
            async with Client(channel).generating(asking("Tell me a story.", max_tokens=24)) as events:
                stream = aiter(events)
                await anext(stream)
                process.send_signal(signal.SIGTERM)
                rest = [event async for event in stream]
            assert rest[-1].WhichOneof("event") == "finished"
        assert await asyncio.wait_for(process.wait(), 20) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_bad_setting_is_one_exact_line():
    environment = os.environ | {"WEFT_INFERENCE_SLOTS": "0"}
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "weft_inference", env=environment, stderr=PIPE)
    _, complaint = await process.communicate()
    assert process.returncode == 2
    assert complaint.decode().startswith("WEFT_INFERENCE_SLOTS: ")
