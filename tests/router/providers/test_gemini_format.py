"""Gemini's format, in and out, without a network.

Its requests and answers are those of ai.google.dev/api/generate-content and
ai.google.dev/gemini-api/docs/function-calling.
"""

import json

import pytest
from tests.router.chat import says, user
from tests.router.recorded import answer, raw, read

from weft.common.v1 import chat_pb2
from weft.inference.v1 import inference_pb2
from weft_kit.catalog.providers import GeminiEntry
from weft_router.providers.finish_reasons import is_failure
from weft_router.providers.gemini.answer import GenerateContentAnswer
from weft_router.providers.gemini.arguments import Arguments
from weft_router.providers.gemini.generate_content import GenerateContent
from weft_router.providers.provider import ProviderError

FORMAT = GenerateContent(GeminiEntry(kind="gemini"))
PARAMETERS = '{"type": "object", "properties": {"n": {"type": "integer"}}}'


def chunk(*parts: object, finish_reason: str = "STOP", **fields: object) -> bytes:
    candidate = {"content": {"parts": parts}, "finishReason": finish_reason}
    return b"data: " + json.dumps({"candidates": [candidate], **fields}).encode() + b"\n\n"


def test_the_model_stands_in_the_address_and_the_key_in_a_header() -> None:
    """ai.google.dev/api/generate-content: models.streamGenerateContent."""
    base = "https://generativelanguage.googleapis.com/v1beta/models"
    assert str(FORMAT.url("gemini-3-pro")) == f"{base}/gemini-3-pro:streamGenerateContent?alt=sse"
    assert str(FORMAT.url("models/gemini-3-pro")) == f"{base}/gemini-3-pro:streamGenerateContent?alt=sse"
    assert FORMAT.headers("k") == {"x-goog-api-key": "k"}


def test_a_request_is_put_in_contents_and_settings() -> None:
    """ai.google.dev/api/generate-content: systemInstruction, contents, generationConfig."""
    sampling = chat_pb2.SamplingParams(temperature=0.7, top_k=40, max_tokens=5, stop=["\n"], seed=7, presence_penalty=1)
    asked = inference_pb2.GenerateRequest(
        model="gemini-2.0-flash", messages=[says(chat_pb2.ROLE_SYSTEM, "Be brief."), user("Hi")], sampling=sampling
    )
    assert FORMAT.body(asked) == {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
        "generationConfig": {
            "temperature": 0.7,
            "topK": 40,
            "maxOutputTokens": 5,
            "stopSequences": ["\n"],
            "seed": 7,
            "presencePenalty": 1,
        },
    }


@pytest.mark.parametrize(("asked", "sent"), [(100, 1124), (1024, 2048), (2000, 2000)])
def test_an_answer_has_room_beside_its_thinking(asked: int, sent: int) -> None:
    """Thinking counts within maxOutputTokens: NousResearch/hermes-agent#87209, googleapis/python-genai#2062."""
    extra = {"generationConfig": {"thinkingConfig": {"thinkingBudget": 1024}}}
    format_ = GenerateContent(GeminiEntry(kind="gemini", extra_body=extra))
    request = inference_pb2.GenerateRequest(sampling=chat_pb2.SamplingParams(max_tokens=asked))

    assert format_.body(request)["generationConfig"] == {"maxOutputTokens": sent}
    assert FORMAT.body(request)["generationConfig"] == {"maxOutputTokens": asked}


@pytest.mark.parametrize(("model", "is_enforced"), [("gemini-2.5-flash", False), ("gemini-3-pro", True)])
def test_a_form_beside_tools_is_asked_for_in_words_of_older_models(model: str, is_enforced: bool) -> None:  # noqa: FBT001
    """googleapis/python-genai#867: "Function calling with a response mime type: 'application/json' is unsupported"."""
    form = chat_pb2.ResponseFormat(json_object=chat_pb2.JsonObjectFormat())
    asked = inference_pb2.GenerateRequest(model=model, response_format=form, tools=[chat_pb2.Tool(name="t")])
    said = FORMAT.body(asked)

    assert said.get("generationConfig") == ({"responseMimeType": "application/json"} if is_enforced else None)
    assert ("systemInstruction" in said) is not is_enforced


def test_results_of_tools_name_the_function_and_stand_together() -> None:
    """ai.google.dev/gemini-api/docs/function-calling: parallel function calling."""
    calls = [chat_pb2.ToolCall(id=f"c{n}", name=f"tool{n}", arguments_json='{"n": 1}') for n in (1, 2)]
    asked = inference_pb2.GenerateRequest(
        messages=[
            user("Weather?"),
            chat_pb2.Message(role=chat_pb2.ROLE_ASSISTANT, tool_calls=calls),
            says(chat_pb2.ROLE_TOOL, "Rain", tool_call_id="c1"),
            says(chat_pb2.ROLE_TOOL, '{"sky": "blue"}', tool_call_id="c2"),
        ],
        tools=[chat_pb2.Tool(name="tool1", description="Tells", parameters_schema=PARAMETERS)],
        tool_choice=chat_pb2.TOOL_CHOICE_REQUIRED,
    )
    said = FORMAT.body(asked)

    assert said["contents"][1:] == [
        {"role": "model", "parts": [{"functionCall": {"name": f"tool{n}", "args": {"n": 1}}} for n in (1, 2)]},
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "tool1", "response": {"result": "Rain"}}},
                {"functionResponse": {"name": "tool2", "response": {"sky": "blue"}}},
            ],
        },
    ]
    declaration = {"name": "tool1", "description": "Tells", "parametersJsonSchema": json.loads(PARAMETERS)}
    assert said["tools"] == [{"functionDeclarations": [declaration]}]
    assert said["toolConfig"] == {"functionCallingConfig": {"mode": "ANY"}}


def test_a_call_goes_back_with_its_signature() -> None:
    """ai.google.dev/gemini-api/docs/thought-signatures."""
    calls = read(answer("gemini-tools"), [raw("gemini-tools")]).said.tool_calls
    turn = chat_pb2.Message(role=chat_pb2.ROLE_ASSISTANT, tool_calls=calls)
    asked = inference_pb2.GenerateRequest(messages=[user("Weather?"), turn])

    assert FORMAT.body(asked)["contents"][1]["parts"] == [
        {"functionCall": {"name": "weather", "args": {"city": "Paris"}}, "thoughtSignature": "c2ln"},
        {"functionCall": {"id": "own", "name": "time", "args": {}}},
    ]


def test_a_call_another_model_made_is_marked_as_such_where_signatures_are_demanded() -> None:
    """ai.google.dev/gemini-api/docs/thought-signatures, FAQ: a trace of another model."""
    call = chat_pb2.ToolCall(id="c", name="t")
    turn = chat_pb2.Message(role=chat_pb2.ROLE_ASSISTANT, tool_calls=[call])
    asked = inference_pb2.GenerateRequest(model="gemini-3-pro", messages=[user("Hi"), turn])

    assert FORMAT.body(asked)["contents"][1]["parts"][0]["thoughtSignature"] == "skip_thought_signature_validator"


def test_images_and_schemas_are_said_in_its_words() -> None:
    """ai.google.dev/api/caching#Part: inlineData, fileData; structured output."""
    parts = [
        chat_pb2.ContentPart(image=chat_pb2.Image(data=b"png", mime_type="image/png")),
        chat_pb2.ContentPart(image=chat_pb2.Image(url="https://images.test/a.jpg")),
    ]
    schema = chat_pb2.JsonSchemaFormat(name="city", schema_json='{"type": "object"}')
    asked = inference_pb2.GenerateRequest(
        messages=[chat_pb2.Message(role=chat_pb2.ROLE_USER, parts=parts)],
        response_format=chat_pb2.ResponseFormat(json_schema=schema),
    )
    said = FORMAT.body(asked)

    assert said["contents"][0]["parts"] == [
        {"inlineData": {"mimeType": "image/png", "data": "cG5n"}},
        {"fileData": {"fileUri": "https://images.test/a.jpg"}},
    ]
    assert said["generationConfig"] == {
        "responseMimeType": "application/json",
        "responseJsonSchema": {"type": "object"},
    }


def test_a_finish_reason_that_more_follows_is_not_the_end() -> None:
    cut_off = [chunk({"text": "a"}), chunk({"text": "b"}, finish_reason="")]
    with pytest.raises(ProviderError, match="finish reason"):
        read(GenerateContentAnswer(), cut_off)


def test_a_call_that_is_never_finished_is_a_failure() -> None:
    with pytest.raises(ProviderError, match="arguments"):
        read(GenerateContentAnswer(), [chunk({"functionCall": {"name": "t", "willContinue": True}})])


# ai.google.dev/api/generate-content#FinishReason, and Vertex AI's
FAILURES = [
    "MALFORMED_FUNCTION_CALL",
    "MALFORMED_RESPONSE",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "MISSING_THOUGHT_SIGNATURE",
]


@pytest.mark.parametrize("word", FAILURES)
def test_a_reason_that_means_failure_is_told_as_one(word: str) -> None:
    finished = read(GenerateContentAnswer(), [chunk({"text": "Half an ans"}, finish_reason=word)]).finished
    assert finished is not None
    assert (finished.finish_reason, finished.raw_finish_reason) == (chat_pb2.FINISH_REASON_UNSPECIFIED, word)
    assert is_failure(word)


@pytest.mark.parametrize("word", ["OTHER", "IMAGE_OTHER", "NO_IMAGE"])
def test_what_something_else_than_the_models_end_stopped_is_a_failure(word: str) -> None:
    with pytest.raises(ProviderError, match=word):
        read(GenerateContentAnswer(), [chunk({"text": "Half an ans"}, finish_reason=word)])


# ai.google.dev/api/generate-content#BlockReason, and Vertex AI's
@pytest.mark.parametrize(
    "word", ["SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY", "MODEL_ARMOR", "JAILBREAK"]
)
def test_a_prompt_that_is_blocked_is_withheld_and_not_tried_again(word: str) -> None:
    blocked = b"data: " + json.dumps({"promptFeedback": {"blockReason": word}}).encode() + b"\n\n"
    finished = read(GenerateContentAnswer(), [blocked]).finished
    assert finished is not None
    assert (finished.finish_reason, finished.raw_finish_reason) == (chat_pb2.FINISH_REASON_CONTENT_FILTER, word)


@pytest.mark.parametrize(
    "parts",
    [
        [{"name": "f", "args": {"k": 1}}],
        [{"name": "f", "args": '{"k": 1}'}],
        # smallmain/vscode-unify-chat-provider#49: the name first, the arguments without it
        [{"name": "f", "args": {}}, {"args": {"k": 1}}],
        [{"name": "f"}, {"name": "", "args": {"k": 1}}],
    ],
)
def test_a_call_is_read_whole(parts: list[dict[str, object]]) -> None:
    [call] = read(GenerateContentAnswer(), [chunk({"functionCall": part}) for part in parts]).said.tool_calls
    assert (call.name, call.arguments_json) == ("f", '{"k":1}')


def test_a_call_without_a_name_is_told_as_such() -> None:
    for parts in ([{"args": {}}], [{"name": "f", "args": {"k": 1}}, {"args": {"k": 2}}]):
        whole = read(GenerateContentAnswer(), [chunk({"functionCall": part}) for part in parts])
        assert (broken := whole.said.broken_call()) is not None
        assert not broken.name


def test_calls_of_one_id_have_ids_of_their_own() -> None:
    calls = [{"functionCall": {"id": "same", "name": "f", "args": {"k": number}}} for number in (1, 2)]
    first, second = read(GenerateContentAnswer(), [chunk(*calls)]).said.tool_calls
    assert [first.id, second.id] == ["same", "same_1"]


@pytest.mark.parametrize("path", ["location", "$", "$.", "$.a[1]", "$[0]", "$.a.b[0].c[2]", "$..a"])
def test_a_value_that_belongs_nowhere_is_a_failure(path: str) -> None:
    with pytest.raises(ProviderError, match="arguments"):
        Arguments().add({}, [{"jsonPath": path, "stringValue": "x"}])


@pytest.mark.parametrize(
    "told", [{"args": {"a": "x" * 500_000}}, {"partialArgs": [{"jsonPath": "$.a", "stringValue": "x" * 500_000}]}]
)
def test_arguments_without_end_are_given_up(told: dict[str, object]) -> None:
    part = {"functionCall": {"name": "f", "willContinue": True} | told}
    reader = GenerateContentAnswer()
    with pytest.raises(ProviderError, match="characters of arguments"):
        for _ in range(100):
            reader.event({"candidates": [{"content": {"parts": [part]}}]})
