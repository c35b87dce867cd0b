"""Chunks of chat completions that are not as OpenAI describes them, and still say what is meant."""

from collections.abc import Iterable

import pytest
from tests.router.events import DONE, STOP, chat, choice

from weft.common.v1 import chat_pb2
from weft_router.providers.provider import ProviderError

CHUNKS_WITHOUT_CHOICES = {
    "usage alone": {"usage": {"prompt_tokens": 9, "completion_tokens": 3}},  # langchain-ai/langchain#27886
    "usage, and no choices": {"choices": None, "usage": {"prompt_tokens": 9, "completion_tokens": 3}},
    "an empty list": {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 3}},
    "a choice of nothing": {"choices": [None], "usage": {"prompt_tokens": 9, "completion_tokens": 3}},
}


@pytest.mark.parametrize("event", CHUNKS_WITHOUT_CHOICES.values(), ids=CHUNKS_WITHOUT_CHOICES)
@pytest.mark.parametrize("is_first", [True, False])
def test_a_chunk_without_choices_tells_its_usage(event: object, *, is_first: bool) -> None:
    """https://github.com/lm-sys/FastChat/issues/3160, https://github.com/ROCm/ATOM/pull/1711"""
    events = [choice({"content": "Hi"}), STOP]
    found = chat(*([event, *events] if is_first else [*events, event]), DONE)

    assert found.said.text == "Hi"
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (9, 3)


CHOICES = {
    "index null": {"choices": [{"index": None, "delta": {"content": "Hi"}}]},
    "no index": {"choices": [{"delta": {"content": "Hi"}}]},
    "index as text": {"choices": [{"index": "0", "delta": {"content": "Hi"}}]},
    "index as a fraction": {"choices": [{"index": 0.0, "delta": {"content": "Hi"}}]},
    "no index, and several": {"choices": [{"delta": {"content": "Hi"}}, {"delta": {"content": "other"}}]},
    "several": {"choices": [{"index": 1, "delta": {"content": "other"}}, {"index": 0, "delta": {"content": "Hi"}}]},
    "one that is no list": {"choices": {"index": 0, "delta": {"content": "Hi"}}},
    "by their index": {"choices": {"0": {"index": 0, "delta": {"content": "Hi"}}}},
    "a message": {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}}]},
    "a message, and no delta": {"choices": [{"index": 0, "delta": None, "message": {"content": "Hi"}}]},
    "text": {"choices": [{"index": 0, "text": "Hi"}]},  # https://platform.openai.com/docs/api-reference/completions
    "a delta of text": {"choices": [{"index": 0, "delta": "Hi"}]},
    "logprobs that are no JSON": '{"choices":[{"index":0,"delta":{"content":"Hi"},"logprobs":{"x":[NaN,-Infinity]}}]}',
    "a number beyond all integers": '{"created":' + "9" * 40 + ',"choices":[{"index":0,"delta":{"content":"Hi"}}]}',
    "a name that stands twice": '{"choices":[],"choices":[{"index":0,"delta":{"content":"Hi"}}]}',
    "a list of chunks": [{"choices": [{"index": 0, "delta": {"content": "Hi"}}]}],
}


@pytest.mark.parametrize("event", CHOICES.values(), ids=CHOICES)
def test_a_choice_is_read_in_every_form_it_comes_in(event: object) -> None:
    assert chat(event, STOP, DONE).said.text == "Hi"


@pytest.mark.parametrize("name", ["message", "delta", "text"])
def test_choices_may_tell_their_pieces_as_messages_or_as_text(name: str) -> None:
    """https://platform.openai.com/docs/api-reference/completions/create, `text`, and servers that name all `message`"""
    texts = ("Hi", " you")
    pieces = [{"choices": [{"index": 0, name: text if name == "text" else {"content": text}}]} for text in texts]

    assert chat(*pieces, STOP, DONE).said.text == "Hi you"


def test_a_message_that_repeats_all_deltas_is_not_said_twice() -> None:
    """https://docs.perplexity.ai/guides/streaming: a chunk holds the delta and, beside it, the message so far."""
    whole = {"role": "assistant", "content": "Hi you"}
    last = {"choices": [{"index": 0, "message": whole, "finish_reason": "stop"}]}

    assert chat(choice({"content": "Hi"}, message=whole), choice({"content": " you"}), last, DONE).said.text == "Hi you"


def test_usage_may_stand_in_a_choice_or_in_x_groq() -> None:
    """https://github.com/northes/go-moonshot/issues/17, https://github.com/vercel/ai/issues/1651"""
    counted = {"prompt_tokens": 9, "completion_tokens": 6, "total_tokens": 15}
    expected = chat_pb2.Usage(prompt_tokens=9, completion_tokens=6)
    text = choice({"content": "Hi"})
    assert chat(text, choice({}, "stop", usage=counted), DONE).usage == expected
    assert chat(text, STOP | {"x_groq": {"id": "r", "usage": counted}}, DONE).usage == expected


MISTRAL = "https://docs.mistral.ai/capabilities/reasoning"
DELTAS = {
    f"thinking as parts, {MISTRAL}": (
        [{"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]}, {"content": "Four"}],
        "Hm.",
    ),
    "thinking as text": ([{"content": [{"type": "thinking", "thinking": "Hm."}]}, {"content": "Four"}], "Hm."),
    "text as parts": ([{"content": [{"type": "text", "text": "Fo"}]}, {"content": [{"text": "ur"}]}], ""),
    "text as one part": ([{"content": {"type": "text", "text": "Four"}}], ""),
    "parts that are text": ([{"content": ["Fo", "ur"]}], ""),
    "no part": ([{"role": "assistant", "content": []}, {"content": "Four"}], ""),
    "references and images between, https://docs.mistral.ai/capabilities/citations": (
        [
            {"content": [{"type": "text", "text": "Fo"}, {"type": "reference", "reference_ids": [1]}]},
            {"content": [{"type": "image_url", "image_url": {"url": "x"}}, {"type": "text", "text": "ur"}]},
        ],
        "",
    ),
    "reasoning_details, https://openrouter.ai/docs/use-cases/reasoning-tokens": (
        [
            {"content": "", "reasoning_details": [{"type": "reasoning.text", "text": "H"}]},
            {"reasoning_details": [{"type": "reasoning.summary", "summary": "m."}]},
            {"reasoning_details": [{"type": "reasoning.encrypted", "data": "c2VjcmV0"}]},
            {"content": "Four"},
        ],
        "Hm.",
    ),
    "reasoning told twice": (
        [{"reasoning": "Hm.", "reasoning_details": [{"type": "reasoning.text", "text": "Hm."}]}, {"content": "Four"}],
        "Hm.",
    ),
    "reasoning as an object": ([{"reasoning": {"content": "Hm."}}, {"content": "Four"}], "Hm."),
    "nulls everywhere": (
        [{"role": None, "content": None, "refusal": None, "tool_calls": None, "reasoning": None}, {"content": "Four"}],
        "",
    ),
}


@pytest.mark.parametrize(("deltas", "thought"), DELTAS.values(), ids=DELTAS)
def test_content_is_read_in_every_form_it_comes_in(deltas: Iterable[object], thought: str) -> None:
    """https://github.com/BerriAI/litellm/issues/16272, https://github.com/vercel/ai/issues/8072"""
    found = chat(*map(choice, deltas), STOP, DONE)

    assert (found.said.text, found.said.reasoning) == ("Four", thought)


@pytest.mark.parametrize("content", [None, "", [], [{"type": "refusal", "refusal": ""}]])
def test_a_refusal_without_content_is_a_refusal(content: object) -> None:
    """https://platform.openai.com/docs/api-reference/chat-streaming/streaming, `delta.refusal`"""
    found = chat(choice({"content": content, "refusal": "I cannot."}), STOP, DONE)

    assert found.said.text == "I cannot."
    assert found.finished is not None
    assert found.finished.finish_reason == chat_pb2.FINISH_REASON_CONTENT_FILTER


@pytest.mark.parametrize("end", ["[DONE]", " [DONE] ", "[DONE]\r", '"[DONE]"'])
def test_the_end_marker_is_known_in_every_form(end: str) -> None:
    """https://platform.openai.com/docs/api-reference/chat/create#chat-create-stream"""
    assert chat(choice({"content": "Hi"}), STOP, end, choice({"content": "more"})).said.text == "Hi"


def test_a_finish_reason_that_text_follows_is_not_taken_for_the_end() -> None:
    with pytest.raises(ProviderError, match="end marker"):
        chat(choice({"content": "Hi"}, "stop"), choice({"content": " you"}, "stop"))
    assert chat(choice({"content": "Hi"}, "stop"), choice({"content": " you"}, "stop"), DONE).said.text == "Hi you"


GROQ = "https://github.com/groq/groq-python/blob/main/src/groq/types/chat/chat_completion_chunk.py"
MINIMAX = "https://platform.minimax.io/docs/api-reference/errorcode"


FASTCHAT = "https://github.com/lm-sys/FastChat/blob/main/fastchat/serve/openai_api_server.py"
ERRORS = {
    "without choices": {"code": "rate_limit_exceeded", "message": "slow down"},
    "as a type": {"type": "error", "message": "slow down"},
    f"with a code, {FASTCHAT}": {"text": "slow down", "error_code": 50001},
    "as a detail": {"detail": "slow down"},
    "in a choice": {"choices": [{"index": 0, "delta": {}, "error": {"code": 502, "message": "slow down"}}]},
    f"in x_groq, {GROQ}": {"choices": [], "x_groq": {"id": "r", "error": "slow down"}},
    f"in base_resp, {MINIMAX}": {"choices": None, "base_resp": {"status_code": 1002, "status_msg": "slow down"}},
}


@pytest.mark.parametrize("event", ERRORS.values(), ids=ERRORS)
def test_an_error_is_known_in_every_form(event: object) -> None:
    with pytest.raises(ProviderError) as failure:
        chat(choice({"content": "Hi"}), event, STOP, DONE)
    assert failure.value.message.startswith("the provider failed while it answered")


@pytest.mark.parametrize(
    ("native", "reason"), [("MAX_TOKENS", "LENGTH"), ("refusal", "CONTENT_FILTER"), ("STOP", "STOP")]
)
def test_what_the_server_behind_says_of_the_end_is_not_hidden_by_stop(native: str, reason: str) -> None:
    """https://openrouter.ai/docs/api-reference/overview#finish-reason; CherryHQ/cherry-studio#16079."""
    found = chat(choice({"content": "Hi"}), choice({}, "stop", native_finish_reason=native), DONE)
    assert found.finished is not None
    assert found.finished.finish_reason == chat_pb2.FinishReason.Value(f"FINISH_REASON_{reason}")


def test_a_text_may_hold_a_character_of_nothing() -> None:
    assert chat(choice({"content": "a\0b"}), STOP, DONE).said.text == "a\0b"
