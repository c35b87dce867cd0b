"""What engines' words for the end of an answer mean: only good ones make it whole."""

import pytest
from tests.inference.calling import asking, calling, on_a_free_port

from weft_inference.engines.echo import Echo
from weft_inference.engines.engine import finish_reason
from weft_kit.rpc.errors import WeftError


@pytest.mark.parametrize("word", ["stop", "length"])
def test_a_good_reason_is_told(word):
    assert finish_reason("vLLM", word) == word


@pytest.mark.parametrize("word", ["abort", "error", "repetition", "tool_calls", "", None])
def test_any_other_reason_is_a_failure_that_names_it(word):
    """The FinishReason of vllm/v1/engine has abort, error and repetition besides; vllm-project/vllm#57082."""
    with pytest.raises(WeftError, match=f"vLLM.*{word}"):
        finish_reason("vLLM", word)


class GivesUp(Echo):
    async def generate(self, generation):
        async for step in super().generate(generation):
            yield step
            finish_reason("vLLM", "abort")


async def test_callers_are_told_why_an_engine_gave_up():
    async with calling(on_a_free_port(engine="echo"), GivesUp()) as client:
        with pytest.raises(WeftError, match="abort"):
            await client.generate(asking("one two three"))
        assert (await client.engine()).finished == 0
