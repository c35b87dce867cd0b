"""Ids of calls go back as they came, and those that are made up are never made up twice."""

import pytest
from tests.router.providers.reasoning.turns import CHAT, GEMINI, chat_calls, chunk, gemini_calls, next_body

from weft_router.providers.http.wire_format import WireFormat


def test_ids_of_gemini_go_back_on_the_call_and_its_result() -> None:
    """ai.google.dev/gemini-api/docs/function-calling; NousResearch/hermes-agent#46077. Older models have none."""
    calls = gemini_calls(*({"functionCall": {"name": "look", "id": call_id}} for call_id in ("a", "b")))
    contents = next_body(GEMINI, calls)["contents"]
    assert [part["functionCall"]["id"] for part in contents[1]["parts"]] == ["a", "b"]
    assert [part["functionResponse"]["id"] for part in contents[2]["parts"]] == ["a", "b"]

    older = next_body(GEMINI, gemini_calls({"functionCall": {"name": "look"}}))["contents"]
    assert "id" not in older[1]["parts"][0]["functionCall"]
    assert "id" not in older[2]["parts"][0]["functionResponse"]


@pytest.mark.parametrize("form", [CHAT, GEMINI], ids=["openai", "gemini"])
def test_ids_that_are_made_up_are_never_made_up_twice(form: WireFormat) -> None:
    """brainlid/langchain#620: two turns with one id are refused by a provider that the conversation goes to."""
    nameless = {"function": {"name": "look", "arguments": "{}"}}
    made = [
        one.id
        for _ in range(3)
        for one in (
            chat_calls(chunk(tool_calls=[{"index": 0, **nameless}, {"index": 1, **nameless}]))
            if form is CHAT
            else gemini_calls({"functionCall": {"name": "look"}}, {"functionCall": {"name": "look"}})
        )
    ]
    assert len(set(made)) == 6
    assert all(len(one) <= 40 for one in made)
