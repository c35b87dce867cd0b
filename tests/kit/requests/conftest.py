"""A sized server in this process, and a channel to it."""

from collections.abc import AsyncIterator

import grpc
import grpc.aio
import pytest
from tests.kit.requests.calls import opened
from tests.kit.requests.sized_server import Sized, serving

from weft_kit.rpc.server import Server


@pytest.fixture
async def sized() -> Sized:
    return Sized()


@pytest.fixture
async def server(sized: Sized) -> AsyncIterator[Server]:
    async with serving(sized) as server:
        yield server


@pytest.fixture
async def channel(server: Server) -> AsyncIterator[grpc.aio.Channel]:
    async with opened(server.address) as channel:
        yield channel
