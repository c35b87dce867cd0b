"""The baseline: the same stream over gRPC in a single process, without log, keys, limits or record.

What Weft takes in addition is the price of durable, resumable jobs, on this machine, in this minute.
"""

import argparse
import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import grpc.aio
import uvloop

from weft.gateway.v1 import gateway_pb2 as pb
from weft.gateway.v1 import gateway_pb2_grpc as rpc
from weft.job.v1 import event_pb2, job_pb2
from weft_kit.rpc.interceptor import SERVER_OPTIONS


class Passthrough(rpc.GatewayServiceServicer):
    """Answers Generate directly from the mock: a delta for each network chunk, then `done`. StreamJob only waits."""

    def __init__(self, session: aiohttp.ClientSession, mock_url: str) -> None:
        self._session = session
        self._url = f"{mock_url}/chat/completions"

    async def Generate(self, request: pb.GenerateRequest, _: object) -> AsyncIterator[pb.GenerateResponse]:
        messages = [{"role": "user", "content": message.parts[0].text} for message in request.request.messages]
        text = []
        async with self._session.post(
            self._url, json={"model": "mock", "stream": True, "messages": messages}
        ) as answer:
            async for chunk in answer.content.iter_any():
                text.append("".join(_tokens(chunk)))
                yield pb.GenerateResponse(event=event_pb2.JobEvent(delta=event_pb2.Delta(text=text[-1])))
        done = event_pb2.Done(state=job_pb2.JOB_STATE_SUCCEEDED, answer=job_pb2.Answer(text="".join(text)))
        yield pb.GenerateResponse(event=event_pb2.JobEvent(done=done))

    async def StreamJob(self, _request: pb.StreamJobRequest, _: object) -> AsyncIterator[pb.StreamJobResponse]:
        """Says one event, then waits until the caller leaves: what an open stream takes that has nothing behind it."""
        yield pb.StreamJobResponse(event=event_pb2.JobEvent(accepted=event_pb2.Accepted()))
        await asyncio.Event().wait()


def _tokens(chunk: bytes) -> list[str]:
    lines = (line for line in chunk.splitlines() if line.startswith(b"data: {"))
    choices = (choice for line in lines for choice in json.loads(line[6:])["choices"])
    return [choice["delta"].get("content") or "" for choice in choices]


async def serve(port: int, mock_url: str) -> None:
    """Serves until the process is stopped."""
    server = grpc.aio.server(options=SERVER_OPTIONS)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        servicer = Passthrough(session, mock_url)  # type: ignore[abstract]  # no other call is made to it
        rpc.add_GatewayServiceServicer_to_server(servicer, server)
        server.add_insecure_port(f"127.0.0.1:{port}")
        await server.start()
        await server.wait_for_termination()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--mock-url", required=True)
    given = parser.parse_args()
    uvloop.run(serve(given.port, given.mock_url))
