"""What a request must be like, field by field."""

from collections.abc import Callable

import pytest
from google.protobuf import text_format
from tests.support.cost import cost_of

from weft.common.v1 import chat_pb2, error_pb2
from weft.job.v1 import job_pb2
from weft_gateway.submission.validation import check, check_item, check_size
from weft_kit.rpc.errors import Invalid, InvalidFields

Ask = Callable[..., job_pb2.GenerationRequest]
MODELS = ("default", "large")


def call(fields: str, *, count: int = 1) -> str:
    """Messages of which one calls a tool, with some fields of the call set."""
    calls = f"tool_calls {{ id: '1' name: 'n' {fields} }} " * count
    return f"messages {{ role: ROLE_ASSISTANT {calls} }} messages {{ role: ROLE_USER parts {{ text: 'a' }} }}"


QUESTION = " messages { role: ROLE_USER parts { text: 'a' } }"
BROKEN_CALL = call("arguments_json: '['")


def violations(request: job_pb2.GenerationRequest, request_id: str = "") -> dict[str, str]:
    try:
        check_item(request)
        check(request_id, request, MODELS)
    except InvalidFields as error:
        return error.violations
    return {}


def changed(ask: Ask, change: str) -> job_pb2.GenerationRequest:
    """A good request with `change`, in text format, merged in."""
    return text_format.Merge(change, ask())


def test_a_good_request_passes(ask: Ask) -> None:
    assert violations(ask(), "order 66") == {}


def test_everything_that_may_be_given_may_be_given(ask: Ask) -> None:
    change = """
        messages { role: ROLE_ASSISTANT tool_calls { id: "1" name: "look" arguments_json: "{\\"a\\": 1}" } }
        messages { role: ROLE_TOOL tool_call_id: "1" parts { text: "blue" } }
        sampling { temperature: 2 top_p: 1 top_k: 1 max_tokens: 1 stop: "x" seed: -1 frequency_penalty: -2 }
        tools { name: "look" parameters_schema: "{}" } tool_choice: TOOL_CHOICE_REQUIRED
        response_format { json_schema { name: "n" schema_json: "{}" } }
        retrieval { collection: "docs" top_k: 20 filter { condition { field: "title" operator: OPERATOR_EXISTS } } }
        cache { mode: CACHE_MODE_EXACT max_age { seconds: 60 } min_similarity: 1 }
        timeout { seconds: 86400 } webhook_url: "https://example.org:8443/hook?a=b" labels { key: "team" value: "" }
        routing { prefer_region: "eu" first_token_timeout { seconds: 2 } first_of: 2 draft: true }
        retry_policy { max_attempts: 100 max_backoff { nanos: 1000000 } on_outage: ON_OUTAGE_FAIL }
    """
    assert violations(changed(ask, change)) == {}


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ("messages { role: ROLE_USER }", "request.messages[1].parts"),
        ("messages { role: 77 parts { text: 'a' } }", "request.messages[1].role"),
        ("messages { role: ROLE_ASSISTANT parts { text: 'a' } }", "request.messages[1].role"),
        ("messages { role: ROLE_USER parts { text: 'a' } parts { text: '' } }", "request.messages[1].parts[1].text"),
        ("messages { role: ROLE_USER parts { } }", "request.messages[1].parts[0]"),
        ("messages { role: ROLE_USER parts { image { } } }", "request.messages[1].parts[0].image"),
        (
            "messages { role: ROLE_USER parts { image { data: '' mime_type: 'image/png' } } }",
            "request.messages[1].parts[0].image.data",
        ),
        (
            "messages { role: ROLE_USER parts { image { data: 'x' } } }",
            "request.messages[1].parts[0].image.mime_type",
        ),
        (
            "messages { role: ROLE_USER parts { image { url: 'http://images.test/a' } } }",
            "request.messages[1].parts[0].image.url",
        ),
        (
            "messages { role: ROLE_USER parts { image { url: 'https://images.test/a' mime_type: 'text/html' } } }",
            "request.messages[1].parts[0].image.mime_type",
        ),
        (
            "messages { role: ROLE_TOOL tool_call_id: '1' parts { image { data: 'x' mime_type: 'image/png' } } }",
            "request.messages[1].parts[0].image",
        ),
        ("messages { role: ROLE_TOOL parts { text: 'a' } }", "request.messages[1].tool_call_id"),
        ("messages { role: ROLE_USER parts { text: 'a' } tool_call_id: '1' }", "request.messages[1].tool_call_id"),
        ("messages { role: ROLE_USER tool_calls { id: '1' name: 'n' } }", "request.messages[1].tool_calls"),
        ("messages { role: ROLE_SYSTEM parts { text: '' } }" + QUESTION, "request.messages[1].parts[0].text"),
        (call("").replace("'n'", "''"), "request.messages[1].tool_calls[0].name"),
        (call("").replace("'1'", "''"), "request.messages[1].tool_calls[0].id"),
        (call("provider_state: '[]'"), "request.messages[1].tool_calls[0].provider_state"),
        (BROKEN_CALL, "request.messages[1].tool_calls[0].arguments_json"),
        (call('arguments_json: \'{"a": "\\\\ud800"}\''), "request.messages[1].tool_calls[0].arguments_json"),
        (call('arguments_json: \'{"a": "\\\\u0000"}\''), "request.messages[1].tool_calls[0].arguments_json"),
        (call("arguments_json: '{\"a\": 1e999999}'"), "request.messages[1].tool_calls[0].arguments_json"),
        (call('provider_state: \'{"gemini": "\\\\ud800"}\''), "request.messages[1].tool_calls[0].provider_state"),
        (call("provider_state: 'not as it came'"), "request.messages[1].tool_calls[0].provider_state"),
        (call("", count=513), "request.messages[1].tool_calls"),
        ("messages { role: ROLE_USER" + " parts { text: 'a' }" * 1025 + "}", "request.messages[1].parts"),
        ("messages { role: ROLE_USER parts { text: 'a\\000' } }", "request.messages[1].parts[0].text"),
        ("sampling { temperature: 2.1 }", "request.sampling.temperature"),
        ("sampling { temperature: nan }", "request.sampling.temperature"),
        ("sampling { top_p: 0 }", "request.sampling.top_p"),
        ("sampling { top_k: 0 }", "request.sampling.top_k"),
        ("sampling { max_tokens: -5 }", "request.sampling.max_tokens"),
        ("sampling { frequency_penalty: -2.5 }", "request.sampling.frequency_penalty"),
        ("sampling { presence_penalty: inf }", "request.sampling.presence_penalty"),
        ("sampling { stop: 'a' stop: '' }", "request.sampling.stop[1]"),
        ("sampling {" + " stop: 'a'" * 9 + "}", "request.sampling.stop"),
        ("tools { name: 'a b' }", "request.tools[0].name"),
        ("tools { name: 'a' } tools { name: 'a' }", "request.tools[1].name"),
        ("tools { name: 'a' parameters_schema: '{' }", "request.tools[0].parameters_schema"),
        ("tools { name: 'a' parameters_schema: '{\"a\": NaN}' }", "request.tools[0].parameters_schema"),
        ("tools { name: 'a' parameters_schema: '{\"a\": \"\\\\ud800\"}' }", "request.tools[0].parameters_schema"),
        ("tools { name: 'a b' } " * 129, "request.tools"),
        ("tool_choice: TOOL_CHOICE_REQUIRED", "request.tool_choice"),
        ("response_format { json_schema { name: 'n' } }", "request.response_format.json_schema.schema_json"),
        ("response_format { json_schema { schema_json: '{}' } }", "request.response_format.json_schema.name"),
        ("retrieval { }", "request.retrieval.collection"),
        ("retrieval { collection: 'Docs' }", "request.retrieval.collection"),
        ("retrieval { collection: 'docs' top_k: 21 }", "request.retrieval.top_k"),
        ("cache { max_age { seconds: -1 } }", "request.cache.max_age"),
        ("cache { max_age { seconds: 1000000001 } }", "request.cache.max_age"),
        ("cache { min_similarity: 1.5 }", "request.cache.min_similarity"),
        ("cache { tags: 'hr' tags: '' }", "request.cache.tags[1]"),
        (f"cache {{ tags: '{'t' * 65}' }}", "request.cache.tags[0]"),
        ("cache { " + "tags: 't' " * 17 + "}", "request.cache.tags"),
        ("timeout { nanos: 900000000 }", "request.timeout"),
        ("timeout { seconds: 86401 }", "request.timeout"),
        ("timeout { seconds: 9000000000000000000 }", "request.timeout"),
        ("webhook_url: 'ftp://example.org/'", "request.webhook_url"),
        ("webhook_url: 'https:///path'", "request.webhook_url"),
        ("webhook_url: 'https://me:secret@example.org/'", "request.webhook_url"),
        ("webhook_url: 'http://[::1/'", "request.webhook_url"),
        ("webhook_url: 'http://example.org:99999/'", "request.webhook_url"),
        ("routing { first_of: 0 }", "request.routing.first_of"),
        ("routing { first_of: 9 }", "request.routing.first_of"),
        ("routing { total_timeout { } }", "request.routing.total_timeout"),
        ("routing { first_token_timeout { seconds: -1 } }", "request.routing.first_token_timeout"),
        ("routing { first_token_timeout { nanos: 1 } }", "request.routing.first_token_timeout"),
        ("routing { between_tokens_timeout { nanos: 99999999 } }", "request.routing.between_tokens_timeout"),
        ("routing { total_timeout { seconds: 86401 } }", "request.routing.total_timeout"),
        ("routing { prefer_region: '" + 65 * "r" + "' }", "request.routing.prefer_region"),
        ("retry_policy { max_attempts: 0 }", "request.retry_policy.max_attempts"),
        ("retry_policy { max_attempts: 101 }", "request.retry_policy.max_attempts"),
        ("retry_policy { max_backoff { } }", "request.retry_policy.max_backoff"),
        ("retry_policy { max_backoff { seconds: -1 } }", "request.retry_policy.max_backoff"),
        ("retry_policy { max_backoff { nanos: 999999 } }", "request.retry_policy.max_backoff"),
        ("retry_policy { max_backoff { seconds: 86401 } }", "request.retry_policy.max_backoff"),
        ("labels { key: '' value: 'v' }", 'request.labels[""]'),
        ("labels { key: 'k' value: '" + 65 * "v" + "' }", 'request.labels["k"]'),
        (" ".join(f"labels {{ key: '{i}' }}" for i in range(17)), "request.labels"),
    ],
)
def test_a_fault_is_named_by_its_exact_path(ask: Ask, change: str, path: str) -> None:
    assert list(violations(changed(ask, change))) == [path]


@pytest.mark.parametrize(
    "taken",
    [
        # prism-php/prism#659 (`[]`), zed-industries/zed#26144 (`null`)
        *(call(f"arguments_json: '{written}'") for written in ("[]", "null", "5", '"Paris"', "", "{}")),
        # What a model makes up, whatever was declared: pydantic/pydantic-ai#4585, anomalyco/opencode#48750
        *(call("").replace("'n'", f"'{name}'") for name in ("functions.look", "look up", "nachschläger", "l" * 200)),
        call("", count=512),  # as many as an answer may hold, see the router's answer_limit
        "messages { role: ROLE_TOOL tool_call_id: 'é .:' }",
        "messages { role: ROLE_TOOL tool_call_id: 'i' parts { text: '' } }",
        # anthropics/anthropic-sdk-python#461: an answer without a word
        "messages { role: ROLE_ASSISTANT }" + QUESTION,
        "messages { role: ROLE_ASSISTANT parts { text: '' } }" + QUESTION,
        "messages { role: ROLE_ASSISTANT parts { text: '' } tool_calls { id: 'i' name: 'n' } }" + QUESTION,
    ],
)
def test_what_was_handed_out_is_taken_back(ask: Ask, taken: str) -> None:
    assert violations(changed(ask, taken)) == {}


def test_a_request_without_anything_names_what_it_needs() -> None:
    assert list(violations(job_pb2.GenerationRequest())) == ["request.model", "request.messages"]


@pytest.mark.parametrize("request_id", ["x" * 129, "tab\there", "zürich", "new\nline"])
def test_a_request_id_is_short_and_printable(ask: Ask, request_id: str) -> None:
    assert list(violations(ask(), request_id)) == ["request_id"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("routing { total_timeout { nanos: 1 } }", "must be 0.1 to 86400 s, is 1e-09 s"),
        ("retry_policy { max_backoff { seconds: 86401 } }", "must be 0.001 to 86400 s, is 86401 s"),
        ("timeout { nanos: 900000000 }", "must be 1 to 86400 s, is 0.9 s"),
    ],
)
def test_a_time_limit_out_of_bounds_is_told_both_of_them(ask: Ask, change: str, problem: str) -> None:
    assert list(violations(changed(ask, change)).values()) == [problem]


def test_more_messages_than_are_taken_are_refused_without_being_read() -> None:
    empty = job_pb2.GenerationRequest.FromString(b"\x12\x00" * 200_000)
    assert list(violations(empty)) == ["request.messages"]
    few = job_pb2.GenerationRequest.FromString(b"\x12\x00" * 4097)
    assert list(violations(few)) == ["request.model", "request.messages"]


@pytest.mark.parametrize("part", [b"\x12\x00", b"\x12\x02\x12\x00", b"\x12\x02\x1a\x00", b"\x22\x00", b"\x62\x00"])
def test_a_request_of_nothing_but_faults_costs_what_its_length_does(part: bytes) -> None:
    """Empty messages, empty parts, empty calls, empty tools, empty labels."""

    def cost(count: int) -> float:
        request = job_pb2.GenerationRequest.FromString(part * count)
        return cost_of(lambda: violations(request))

    assert cost(4000) < 4 * cost(2000)
    assert cost(200_000) < 4 * cost(2000)


def test_the_arguments_of_all_calls_are_bounded_together(ask: Ask) -> None:
    """Each by itself may be as large, and 4 MB of them would hold up everybody for seconds."""
    arguments = '{"a": [' + "1," * 30_000 + "1]}"
    calls = [chat_pb2.ToolCall(id=str(n), name="f", arguments_json=arguments) for n in range(2)]
    question = ask()
    said = chat_pb2.Message(role=chat_pb2.ROLE_ASSISTANT, tool_calls=calls)
    found = violations(ask(messages=[*question.messages, said, *question.messages]))
    assert found == {
        "request.messages[1].tool_calls[1].arguments_json": "holds more than 40000 values, with those before it"
    }


def test_all_faults_come_at_once(ask: Ask) -> None:
    request = changed(ask, "sampling { temperature: 3 } retrieval { } webhook_url: 'x'")
    assert len(violations(request)) == 3


@pytest.mark.parametrize("image", ["data: 'x' mime_type: 'image/webp'", "url: 'https://images.test/a.png'"])
def test_a_user_may_send_images(ask: Ask, image: str) -> None:
    assert violations(changed(ask, f"messages {{ role: ROLE_USER parts {{ image {{ {image} }} }} }}")) == {}


def test_values_of_enums_nobody_knows_are_as_if_not_given(ask: Ask) -> None:
    change = "priority: 99 tool_choice: 99 cache { mode: 99 } retry_policy { on_outage: 99 }"
    assert violations(changed(ask, change)) == {}


def test_an_unknown_model_is_answered_with_the_known_ones(ask: Ask) -> None:
    with pytest.raises(Invalid) as raised:
        check("", ask(model="gpt-9"), MODELS)
    assert raised.value.reason == error_pb2.ERROR_REASON_UNKNOWN_MODEL
    assert raised.value.metadata == {"known": "default, large"}


def test_a_request_that_is_too_large_is_told_both_numbers() -> None:
    check_size(100, 100)
    with pytest.raises(Invalid) as raised:
        check_size(101, 100)
    assert raised.value.reason == error_pb2.ERROR_REASON_REQUEST_TOO_LARGE
    assert raised.value.metadata == {"size_bytes": "101", "limit_bytes": "100"}


def test_a_bad_filter_has_a_reason_of_its_own(ask: Ask) -> None:
    with pytest.raises(Invalid) as raised:
        check("", changed(ask, "retrieval { collection: 'docs' filter { } }"), MODELS)
    assert raised.value.reason == error_pb2.ERROR_REASON_INVALID_FILTER
