"""What a provider sends costs what its size is: the worst inputs known of everything that reads it."""

import json
from contextlib import suppress

import pytest
from tests.support.cost import assert_linear

from weft.common.v1 import chat_pb2
from weft.job.v1 import event_pb2
from weft_router.job.transcript import AnswerSoFar
from weft_router.providers import counts
from weft_router.providers.anthropic.messages_answer import MessagesAnswer
from weft_router.providers.gemini.answer import GenerateContentAnswer
from weft_router.providers.gemini.arguments import Arguments
from weft_router.providers.http.event_stream import EventStream
from weft_router.providers.openai.chat_answer import ChatAnswer
from weft_router.providers.openai.responses_answer import ResponsesAnswer
from weft_router.providers.provider import ProviderError
from weft_router.providers.refusals.errors import ProviderAccess, refusal
from weft_router.providers.refusals.retry_after import retry_after_s, span_s
from weft_router.providers.stream_reader import Answer, StreamReader
from weft_router.providers.surrogates import marked
from weft_router.validation.json_patterns import matches
from weft_router.validation.response_format import fault_of

ATOMS = [
    "a",
    "1",
    "1m",
    "1.",
    "\n",
    "\r",
    "\r\n",
    ":",
    "data: x\n\n",
    "data: ",
    '"',
    '\\"',
    "[",
    "{",
    "NaN,",
    ".a",
    "['",
]


def each(size: int, atom: str) -> str:
    return atom * (size // len(atom))


@pytest.mark.parametrize("piece_bytes", [1, 7, 4096])
@pytest.mark.parametrize("atom", ATOMS)
def test_cutting_a_stream_into_events_is_linear(atom, piece_bytes):
    def read(text: str) -> None:
        events, content = EventStream(), text.encode()
        # An event that grows beyond MAX_EVENT_BYTES is refused.
        with suppress(ProviderError):
            for at in range(0, len(content), piece_bytes):
                events.read(content[at : at + piece_bytes])
            events.end()

    assert_linear(read, lambda size: each(size, atom), 8_000)


@pytest.mark.parametrize("atom", [*ATOMS, "\\ud83d", "\\ude00", "\\", "{}", "{} ,"])
def test_reading_a_body_that_is_no_stream_is_linear(atom):
    def read(text: str) -> None:
        for content in (f"{{{text}", f'{{"choices": [{{"delta": {{"content": "{text}"}}}}]}}', text):
            with suppress(ProviderError):
                marked(content)
                reading = StreamReader(ChatAnswer())
                for steps in (reading.read(content.encode()), reading.end()):
                    for _ in steps:
                        pass

    assert_linear(read, lambda size: each(size, atom), 8_000)


TEXT = {"type": "text", "text": "a"}
THINKING = {"type": "thinking_delta", "thinking": "a thought"}
SAYING = {
    "parts of chat completions": (ChatAnswer, lambda n: [{"choices": [{"delta": {"content": ["a"] * n}}]}]),
    "chunks of chat completions": (ChatAnswer, lambda n: [{"choices": [{"delta": {"content": "a"}}]}] * n),
    "blocks of Anthropic": (MessagesAnswer, lambda n: [{"type": "message", "content": [TEXT] * n}]),
    "thinking of Anthropic": (MessagesAnswer, lambda n: [{"type": "content_block_delta", "delta": THINKING}] * n),
    "parts of Gemini": (GenerateContentAnswer, lambda n: [{"candidates": [{"content": {"parts": [TEXT] * n}}]}]),
    "parts of Responses": (
        ResponsesAnswer,
        lambda n: [{"object": "response", "output": [{"type": "message", "content": [TEXT] * n}]}],
    ),
}


@pytest.mark.parametrize(("reader", "events"), SAYING.values(), ids=SAYING.keys())
def test_gathering_what_an_answer_says_is_linear(reader: type[Answer], events):
    made = {}

    def gather(text: str) -> None:
        answer = reader()
        for event in made.setdefault(len(text), events(len(text))):
            answer.event(event)
        said = answer.take()
        assert len(said.text + said.reasoning) >= len(text)

    assert_linear(gather, lambda size: "x" * size, 8_000)


@pytest.mark.parametrize("atom", ["1", ".", "x"])
def test_reading_counts_is_linear(atom):
    def read(text: str) -> None:
        names = {f"{name}{atom}": text for name in range(len(text) // 10)}
        counts.openai().take(names | {"prompt_tokens": text, "prompt_tokens_details": names})

    assert_linear(read, lambda size: each(size, atom), 8_000)


@pytest.mark.parametrize("atom", ATOMS)
def test_reading_a_refusal_is_linear(atom):
    def read(text: str) -> None:
        body = {"error": {"message": text, "details": [{"@type": "google.rpc.RetryInfo", "retryDelay": text}]}}
        refusal(
            400,
            {"retry-after": text, "x-ratelimit-reset-tokens": text},
            json.dumps(body).encode(),
            ProviderAccess("key"),
        )
        retry_after_s({"retry-after": text, "retry-after-ms": text}, (), 0.0, 429)
        span_s(text)

    assert_linear(read, lambda size: each(size, atom), 8_000)


@pytest.mark.parametrize("atom", ATOMS)
def test_judging_an_answer_is_linear(atom):
    wanted = chat_pb2.ResponseFormat()
    wanted.json_schema.schema_json = '{"type": "object"}'

    def judge(text: str) -> None:
        fault_of(wanted, text)
        matches("^(a|b)*c$", text)

    assert_linear(judge, lambda size: each(size, atom), 8_000)


@pytest.mark.parametrize("atom", [".a", "[0]", "['a']", "[", "['", "."])
def test_reading_the_place_of_an_argument_is_linear(atom):
    def read(path: str) -> None:
        with suppress(ProviderError):
            Arguments().add({}, [{"jsonPath": f"${path}", "stringValue": "x"}])

    assert_linear(read, lambda size: each(size, atom), 8_000)


def test_gathering_a_calls_arguments_is_linear():
    def gather(text: str) -> None:
        said = AnswerSoFar()
        for piece in text:
            delta = event_pb2.Delta()
            delta.tool_calls.add(index=0, arguments_json=piece)
            said.add(delta)
        assert said.tool_calls[0].arguments_json == text

    assert_linear(gather, lambda size: "1" * size, 64_000)


@pytest.mark.parametrize(
    "fields",
    [
        {"index": 0},
        {"index": 0, "name": "f"},
        {"index": 0, "id": "c", "name": "f"},
        {"id": "c"},
        {"index": 0, "id": "new"},
        {"index": 0, "id": "new", "name": "f"},
    ],
)
@pytest.mark.parametrize("text", ["1", '"', '\\"', " ", "{", "{}", '{"a":1}'])
def test_joining_pieces_of_calls_is_linear(fields, text):
    function = {"arguments": text} | {name: fields[name] for name in fields if name == "name"}

    def read(pieces: str) -> None:
        answer = ChatAnswer(["f"])
        for number, _ in enumerate(pieces):
            call_id = {"id": f"c{number}"} if fields.get("id") == "new" else {}
            call = {"function": function} | {name: fields[name] for name in fields if name != "name"} | call_id
            answer.event({"choices": [{"delta": {"tool_calls": [call]}}]})
            answer.take()
        answer.calls.end()

    assert_linear(read, lambda size: "x" * size, 500)
