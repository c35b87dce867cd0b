"""A call without a sign of life ends when its caller's patience does, whatever died or froze, and works again after."""

import asyncio
from collections.abc import Callable

import pytest
from tests.durability.environment import TENANT, Environment
from tests.durability.ledger import said_by_mock

from weft_cli.views.answer import drain
from weft_client import OutOfPatience, WeftClient
from weft_client.requests import chat

pytestmark = pytest.mark.asyncio(loop_scope="package")

PATIENCE_S = 4.0
HANGS_S = 60.0

OUTAGES: dict[str, Callable[[Environment], object]] = {
    "nats is dead": lambda environment: environment.nats.kill(),
    "nats is frozen": lambda environment: environment.nats.child.pause(),
    "gateways are dead": lambda environment: [gateway.kill() for gateway in environment.gateways],
    "gateways are frozen": lambda environment: [gateway.pause() for gateway in environment.gateways],
}


@pytest.mark.parametrize("outage", OUTAGES)
async def test_generate_is_given_up_and_then_works_again(brisk: Environment, outage: str) -> None:
    async with WeftClient(brisk.endpoint, brisk.keys[TENANT], patience_s=PATIENCE_S) as weft:
        await drain(weft.generate("Before", model="short"))
        OUTAGES[outage](brisk)
        try:
            async with asyncio.timeout(HANGS_S):
                for call in (drain(weft.generate("During", model="short")), weft.submit(chat("During", model="short"))):
                    with pytest.raises(OutOfPatience):
                        await call
        finally:
            brisk.nats.child.resume()
            await brisk.mend()
    async with brisk.client() as weft, asyncio.timeout(HANGS_S):
        generation = weft.generate("After", model="short")
        await drain(generation)
    assert generation.text == said_by_mock("After", 30)
