"""What an endpoint may look like, and how several gateways share a client."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from tests.client.gateways import ScriptedGateway, serving

from weft.gateway.v1 import gateway_pb2 as pb
from weft.gateway.v1 import gateway_pb2_grpc as rpc
from weft.job.v1 import job_pb2
from weft_client import WeftClient
from weft_client.endpoint import replicas, target


@pytest.mark.parametrize(
    ("endpoint", "meant"),
    [
        ("127.0.0.1:7600", "127.0.0.1:7600"),
        ("weft.example:443", "weft.example:443"),
        ("10.0.0.2:7600, 10.0.0.1:7600,", "ipv4:10.0.0.1:7600,10.0.0.2:7600"),
        ("[::1]:7600,[::1]:7620", "ipv6:[::1]:7600,[::1]:7620"),
        ("dns:///weft.example:443", "dns:///weft.example:443"),
        ("ipv4:10.0.0.1:7600,10.0.0.2:7600", "ipv4:10.0.0.1:7600,10.0.0.2:7600"),
    ],
)
def test_an_endpoint_means_one_target(endpoint, meant):
    assert target(endpoint) == meant


@pytest.mark.parametrize("endpoint", ["one.example:7600,two.example:7600", "10.0.0.1:7600,[::1]:7600", "10.0.0.1,b:1"])
def test_a_list_of_names_or_of_mixed_addresses_is_told_what_to_use_instead(endpoint):
    with pytest.raises(ValueError, match="dns:///NAME:PORT"):
        target(endpoint)


def test_a_url_is_no_endpoint():
    with pytest.raises(ValueError, match="without http://"):
        WeftClient("http://127.0.0.1:7600", "key")


def test_replicas_are_named_in_any_order():
    assert replicas("b:1, a:1") == replicas("ipv4:a:1,b:1") == {"a:1", "b:1"}


async def test_calls_reach_whichever_gateway_is_there():
    gateway = ScriptedGateway()
    gateway.jobs["j"] = job_pb2.Job(job_id="j")
    async with serving(gateway) as address, WeftClient(f"127.0.0.1:1,{address}", "key") as weft:
        assert (await weft.job("j")).job_id == "j"


class Replica(rpc.GatewayServiceServicer):
    """Serves one job: the beginning to who submits it, and then nothing; the rest to who comes back."""

    def __init__(self, events):
        self.events = events
        self.generating = False

    async def Generate(self, _request, _):
        self.generating = True
        for event in self.events[:2]:
            yield pb.GenerateResponse(event=event)
        await asyncio.Event().wait()

    async def StreamJob(self, request, _):
        for event in self.events:
            if event.sequence > request.after_sequence:
                yield pb.StreamJobResponse(event=event)


async def test_a_stream_moves_to_another_gateway_when_its_own_shuts_down(say):
    events = [say.accepted(), say.delta("one "), say.delta("two"), say.done("one two")]
    async with AsyncExitStack() as one, AsyncExitStack() as other:
        replicas = {Replica(events): one, Replica(events): other}
        addresses = [await stack.enter_async_context(serving(replica)) for replica, stack in replicas.items()]
        tokens = []
        async with WeftClient(",".join(addresses), "key") as weft:
            async for token in weft.generate("hi"):
                tokens.append(token.text)
                if len(tokens) == 1:
                    [its_own] = [stack for replica, stack in replicas.items() if replica.generating]
                    await its_own.aclose()
    assert tokens == ["one ", "two"]
