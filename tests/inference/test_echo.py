"""The echo engine: what it says, when it stops, and how it keeps its pace."""

import asyncio

import pytest

from weft_inference.engines.echo import Echo
from weft_inference.engines.engine import (
    EngineRequest,
    Finish,
    Piece,
    Sampling,
    Turn,
)


async def said(engine: Echo, text: str, *, prefix: str = "", **sampling) -> tuple[str, Finish]:
    steps = [step async for step in engine.generate(EngineRequest((Turn("user", text),), Sampling(**sampling), prefix))]
    pieces = [step for step in steps if isinstance(step, Piece)]
    finish = steps[-1]
    assert isinstance(finish, Finish)
    assert sum(piece.tokens for piece in pieces) == finish.completion_tokens
    return "".join(piece.text for piece in pieces), finish


@pytest.mark.parametrize("pace", [0.0, 5000.0])
async def test_it_says_the_last_user_message_byte_for_byte_at_any_pace(pace):
    text = "Grüße,  zweimal\nund 你好 😀 "
    assert await said(Echo(0, pace), text) == (text, Finish("stop", 6, 6))


async def test_it_is_cut_off_at_max_tokens():
    assert await said(Echo(), "one two three", max_tokens=2) == ("one two", Finish("length", 3, 2))


async def test_it_ends_before_the_first_stop_text():
    text, finish = await said(Echo(), "one two three", stop=("three", "two"))
    assert (text, finish.reason) == ("one ", "stop")


async def test_it_continues_a_prefix():
    assert (await said(Echo(), "one two three", prefix="one "))[0] == "two three"


async def test_it_keeps_its_pace():
    loop = asyncio.get_running_loop()
    began = loop.time()
    await said(Echo(first_token_s=0.05, tokens_per_s=100), "a b c d e f")
    assert loop.time() - began >= 0.05 + 5 / 100
