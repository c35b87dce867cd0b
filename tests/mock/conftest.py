"""A client's view of the mock."""

import json
from contextlib import asynccontextmanager

import httpx
import pytest

from weft_mock import MockProvider

MESSAGES = [{"role": "user", "content": "What is the capital of France?"}]


class Client:
    """Asks a running mock."""

    def __init__(self, provider, http):
        self.provider, self.http = provider, http

    def stream(self, **more):
        """A reply to read as it comes."""
        body = {"model": "mock", "messages": MESSAGES, "stream": True} | more
        return self.http.stream("POST", "chat/completions", json=body)

    async def answer(self, *, headers=None, **more):
        """A reply, read to its end."""
        body = {"model": "mock", "messages": MESSAGES} | more
        return await self.http.post("chat/completions", json=body, headers=headers)

    async def events(self, **more):
        """The data of every event of a stream."""
        reply = await self.answer(stream=True, **more)
        return [event.removeprefix("data: ") for event in reply.text.split("\n\n") if event]

    @staticmethod
    def text(events):
        """What the tokens say."""
        deltas = [choice["delta"] for event in events if event[0] == "{" for choice in json.loads(event)["choices"]]
        return "".join(delta.get("content", "") for delta in deltas)


@pytest.fixture
def playing():
    """Starts a mock with these scripts and a client of it."""

    @asynccontextmanager
    async def _playing(*scripts):
        provider = MockProvider(*scripts)
        async with provider.running() as base_url, httpx.AsyncClient(base_url=base_url, timeout=10) as http:
            yield Client(provider, http)

    return _playing
