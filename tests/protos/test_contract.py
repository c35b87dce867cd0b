"""The contract holds: what is stored in logs stays readable, and every service keeps the house's rules."""

import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.json_format import MessageToDict

from weft.cache.v1 import cache_pb2
from weft.common.v1 import catalog_pb2, chat_pb2, error_pb2
from weft.gateway.v1 import gateway_pb2, tenant_pb2
from weft.inference.v1 import inference_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft.retrieval.v1 import retrieval_pb2
from weft.router.v1 import router_pb2

FILES = (cache_pb2, catalog_pb2, gateway_pb2, inference_pb2, retrieval_pb2, router_pb2, tenant_pb2)
METHODS = [
    method
    for file in FILES
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods_by_name.values()
]

# Bytes as a log of the first release holds them. They are never regenerated: if this breaks, the log does.
STORED_DELTA = bytes.fromhex("0a046a6f62311a060880c2d7b806620a0a064772c3bcc39f1001")
STORED_DONE = bytes.fromhex(
    "0a046a6f62311a060880c2d7b8067a1f080312180a0b68656c6c6f20776f726c64180122040805100232016d1a0168"
)


def test_a_stored_delta_reads_as_it_was_written() -> None:
    event = event_pb2.JobEvent.FromString(STORED_DELTA)
    assert (event.job_id, event.delta.text, event.delta.token_count) == ("job1", "Grüß", 1)
    assert event.time.seconds == 1729487104


def test_a_stored_end_reads_as_it_was_written() -> None:
    done = event_pb2.JobEvent.FromString(STORED_DONE).done
    assert (done.state, done.answer.text, done.text_hash) == (job_pb2.JOB_STATE_SUCCEEDED, "hello world", "h")
    assert (done.answer.usage.prompt_tokens, done.answer.provider) == (5, "m")


def test_unknown_events_pass_through_unharmed() -> None:
    unknown = event_pb2.JobEvent(job_id="job1").SerializeToString() + bytes.fromhex("fa0103616263")
    event = event_pb2.JobEvent.FromString(unknown)
    assert event.WhichOneof("event") is None
    assert event.SerializeToString() == unknown


def test_the_first_choice_is_never_the_zero_of_an_enum() -> None:
    for enum in (job_pb2.JobState, job_pb2.Priority, job_pb2.CacheMode, chat_pb2.Role, error_pb2.ErrorReason):
        assert enum.Name(0).endswith("_UNSPECIFIED")


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)
def test_every_method_has_messages_of_its_own(method: MethodDescriptor) -> None:
    assert method.input_type.name == f"{method.name}Request"
    assert method.output_type.name == f"{method.name}Response"


@pytest.mark.parametrize("method", [m for m in METHODS if m.name.startswith("List")], ids=lambda m: m.full_name)
def test_lists_that_can_grow_have_pages(method: MethodDescriptor) -> None:
    bounded_by_configuration = {"ListProviders", "ListModels"}
    if method.name in bounded_by_configuration:
        return
    assert {"page_size", "page_token"} <= set(method.input_type.fields_by_name)
    assert "next_page_token" in method.output_type.fields_by_name


def test_identity_rides_in_metadata_never_in_requests() -> None:
    fields = {f"{m.input_type.name}.{f.name}" for m in METHODS for f in m.input_type.fields}
    operators = {"CreateKeyRequest.tenant", "ListKeysRequest.tenant", "DeleteTenantRequest.tenant"}
    assert {name for name in fields if name.endswith((".tenant", ".deadline", ".traceparent"))} == operators


def test_zero_differs_from_not_given_where_it_must() -> None:
    optional = {f.name for f in chat_pb2.SamplingParams.DESCRIPTOR.fields if f.has_presence}
    repeated = {f.name for f in chat_pb2.SamplingParams.DESCRIPTOR.fields if f.is_repeated}
    assert optional | repeated == set(chat_pb2.SamplingParams.DESCRIPTOR.fields_by_name)
    assert MessageToDict(chat_pb2.SamplingParams(temperature=0)) == {"temperature": 0.0}
