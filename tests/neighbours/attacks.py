"""What one tenant may send, or anybody without a key, to hold up the others: each input that once did."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct

from weft.common.v1 import chat_pb2
from weft.gateway.v1 import gateway_pb2
from weft.job.v1 import job_pb2
from weft.retrieval.v1 import retrieval_pb2
from weft.router.v1 import router_pb2
from weft_client.requests import chat

COLLECTION: Final = "theirs"

_SUBMIT: Final = "/weft.gateway.v1.GatewayService/SubmitJob"
_SUBMIT_MANY: Final = "/weft.gateway.v1.GatewayService/SubmitJobs"
_LIST: Final = "/weft.gateway.v1.GatewayService/ListJobs"
_INGEST: Final = "/weft.retrieval.v1.RetrievalService/Ingest"
_STAGE: Final = "/weft.retrieval.v1.RetrievalService/StageDocuments"
_CHECK: Final = "/weft.router.v1.RouterService/CheckProviders"


@dataclass(frozen=True)
class Attack:
    """Calls that are made over and over, `at_once` at a time. Each is given `patience_s`; then its caller leaves.

    They come at the pace of a script that wants no more than to hurt: by their number alone, limits stop them.
    """

    path: str
    requests: tuple[bytes, ...]
    keyed: bool = True
    at_once: int = 1
    patience_s: float = 5.0
    pause_s: float = 0.1
    silent: bool = False
    """The call is opened, and its request never sent."""


def _submit(change: Callable[[job_pb2.GenerationRequest], object], **options: str) -> bytes:
    request = chat("hello", **options)  # type: ignore[arg-type]
    change(request)
    return gateway_pb2.SubmitJobRequest(request=request).SerializeToString()


def _many(count: int, **options: str) -> bytes:
    one = gateway_pb2.SubmitJobRequest(request=chat("hello", **options))  # type: ignore[arg-type]
    return gateway_pb2.SubmitJobsRequest(requests=[one] * count).SerializeToString()


def _document(name: str, content: bytes) -> bytes:
    document = retrieval_pb2.Document(document_id=name, content=content)
    return retrieval_pb2.IngestRequest(collection=COLLECTION, document=document).SerializeToString()


def _schema(text: str) -> bytes:
    def change(request: job_pb2.GenerationRequest) -> None:
        request.response_format.json_schema.name = "form"
        request.response_format.json_schema.schema_json = text

    return _submit(change)


def _empty_messages(size_bytes: int) -> bytes:
    # A message without a field takes two bytes.
    return _submit(lambda request: request.messages.extend([type(request.messages[0])()] * (size_bytes // 2)))


def _short_timeout(request: job_pb2.GenerationRequest) -> None:
    request.routing.first_token_timeout.nanos = 1


def _poison(request: job_pb2.GenerationRequest) -> None:
    request.labels["note"] = "a\0b"


def _bad_tools(request: job_pb2.GenerationRequest) -> None:
    for number in range(128):
        request.tools.add(name=f"github.issues.{number}", description="x")


def _arguments(calls: int) -> job_pb2.GenerationRequest:
    """A request whose tool calls hold nothing but values."""
    request = chat("hello")
    said = request.messages.add(role=chat_pb2.ROLE_ASSISTANT)
    arguments = '{"a": [' + ",".join("0" * 40_000) + "]}"
    for number in range(calls):
        said.tool_calls.add(id=str(number), name="find", arguments_json=arguments)
    request.messages.append(request.messages[0])
    return request


def _staged(documents: int, values: int) -> bytes:
    metadata = Struct()
    metadata.update({"numbers": [0] * values})
    one = retrieval_pb2.Document(document_id="a", content=b"a", metadata=metadata)
    staged = retrieval_pb2.StageDocumentsRequest(upload_id="a", collection=COLLECTION, documents=[one] * documents)
    return staged.SerializeToString()


def _raw(message: Message, more: bytes = b"") -> bytes:
    return message.SerializeToString() + more


def _doubling(levels: int) -> str:
    links = ",".join(
        f'"d{level}": {{"allOf": [{{"$ref": "#/$defs/d{level + 1}"}}, {{"$ref": "#/$defs/d{level + 1}"}}]}}'
        for level in range(levels)
    )
    return f'{{"$ref": "#/$defs/d0", "$defs": {{{links}, "d{levels}": {{"type": "object"}}}}}}'


def _enum(size_bytes: int) -> str:
    values = ",".join(f'"value-{number}"' for number in range(size_bytes // 14))
    return f'{{"type": "object", "properties": {{"a": {{"enum": [{values}]}}}}}}'


_ONE_LINE_CSV: Final = b",".join(b"%d" % (number * 7919 % 10_007) for number in range(8_000))
_ONE_LINE_JSON: Final = (
    b"{" + b",".join(b'"k%d":%d' % (number, number * 7919 % 10_007) for number in range(20_000)) + b"}"
)
_THAI: Final = ("เรือออกจากท่าเวลาเช้าค่าจอด" * 800).encode()
_BASE64: Final = b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo" * 7_000
_HTML: Final = b"<html><body>" + b"<div>" * 40_000 + b"words of a page" + b"</div>" * 40_000

ATTACKS: Final[dict[str, Attack]] = {
    "text that PostgreSQL refuses": Attack(_SUBMIT, (_submit(_poison),)),
    "4 MB of empty messages": Attack(_SUBMIT, (_empty_messages(4_000_000),)),
    "more faults than a trailer holds": Attack(_SUBMIT, (_submit(_bad_tools),)),
    "60 MB without a key": Attack(_SUBMIT, (_submit(lambda _: None) + b"\0" * 60_000_000,), keyed=False, at_once=2),
    "bytes that are no message": Attack(_SUBMIT, (b"\xff" * 40, b"\x0a\x03\xff\xfe\xfd")),
    "calls without a request": Attack(_SUBMIT, (b"",), at_once=80, silent=True),
    "forged page tokens": Attack(
        _LIST, tuple(_raw(gateway_pb2.ListJobsRequest(page_token=token)) for token in ("W10=", "[" * 20_000, "\0"))
    ),
    "Markdown of blanks": Attack(_INGEST, (_document("blanks.md", b"# a\n" + b" " * 40_000 + b"b"),)),
    "Markdown of brackets": Attack(
        _INGEST, (_document("brackets.md", b"[" * 200_000), _document("_.md", b"_a" * 90_000))
    ),
    "HTML of great depth": Attack(_INGEST, (_document("deep.html", _HTML),)),
    "files of one line": Attack(
        _INGEST, (_document("a.csv", _ONE_LINE_CSV), _document("a.json", _ONE_LINE_JSON), _document("a.txt", _BASE64))
    ),
    "words without blanks": Attack(_INGEST, (_document("thai.txt", _THAI),)),
    "an enum of 83 KB": Attack(_SUBMIT, (_schema(_enum(83_000)),)),
    "a schema that doubles": Attack(_SUBMIT, (_schema(_doubling(24)),)),
    "a schema of 130 levels": Attack(_SUBMIT, (_schema('{"items":' * 130 + "{}" + "}" * 130),)),
    "answers larger than may be": Attack(_SUBMIT, (_submit(lambda _: None, model="huge"),), pause_s=0.5),
    "tool calls full of values": Attack(_SUBMIT, (_raw(gateway_pb2.SubmitJobRequest(request=_arguments(20))),)),
    "documents full of metadata": Attack(_STAGE, (_staged(300, 1000),), pause_s=1.0),
    "time limits of a nanosecond": Attack(_SUBMIT, (_submit(_short_timeout),)),
    "HIGH jobs, one batch after the other": Attack(
        _SUBMIT_MANY, (_many(8, model="paced", priority="high"),), pause_s=0.4
    ),
    "checks of all providers": Attack(_CHECK, (_raw(router_pb2.CheckProvidersRequest()),)),
}
"""By name."""
