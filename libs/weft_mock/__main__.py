"""Starts the mock provider and prints its base URL when it is ready."""

import argparse
import asyncio

import uvloop

from weft_kit.file_limit import raise_file_limit
from weft_mock.script import Script
from weft_mock.server import MockProvider


async def serve(host: str, port: int, script: Script) -> None:
    """Serves until cancelled."""
    async with MockProvider(script).running(host, port) as base_url:
        print(base_url, flush=True)  # noqa: T201 - the one line a parent process waits for
        await asyncio.Event().wait()


parser = argparse.ArgumentParser(prog="weft_mock", description=__doc__)
parser.add_argument("--host", default="127.0.0.1", help="address to listen on; default 127.0.0.1")
parser.add_argument("--port", type=int, default=0, help="port to listen on; by default any free one")
parser.add_argument("--first-token-ms", type=float, default=20.0, help="wait before the first token; default 20")
parser.add_argument("--tokens", type=int, default=32, help="tokens in an answer; default 32")
parser.add_argument("--tokens-per-second", type=float, default=0.0, help="default 0: as fast as possible")
given = parser.parse_args()
raise_file_limit()
uvloop.run(serve(given.host, given.port, Script(given.first_token_ms / 1000, given.tokens, given.tokens_per_second)))
