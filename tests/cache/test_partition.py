"""Walls: what stands between two answers, and what does not."""

from dataclasses import fields

import pytest
from google.protobuf.duration_pb2 import Duration
from hypothesis import given
from hypothesis import strategies as st

from weft.common.v1 import chat_pb2, filter_pb2
from weft.job.v1 import job_pb2
from weft_cache.partition import Address, address, question_text, semantic_partition
from weft_cache.records import Vector

USER, ASSISTANT, SYSTEM, TOOL = chat_pb2.ROLE_USER, chat_pb2.ROLE_ASSISTANT, chat_pb2.ROLE_SYSTEM, chat_pb2.ROLE_TOOL


def said(role, *texts):
    return chat_pb2.Message(role=role, parts=[chat_pb2.ContentPart(text=text) for text in texts])


def full() -> job_pb2.GenerationRequest:
    """A request with every field that matters set."""
    condition = filter_pb2.Condition(
        field="metadata.team", operator=filter_pb2.Condition.OPERATOR_EQUAL, values=[filter_pb2.Value(text="red")]
    )
    return job_pb2.GenerationRequest(
        model="small",
        messages=[said(SYSTEM, "Be brief."), said(USER, "Hello"), said(ASSISTANT, "Hi"), said(USER, "Where?")],
        sampling=chat_pb2.SamplingParams(
            temperature=0.5,
            top_p=0.9,
            top_k=40,
            max_tokens=100,
            stop=["a", "b"],
            seed=1,
            frequency_penalty=0.1,
            presence_penalty=0.1,
        ),
        tools=[chat_pb2.Tool(name="f", description="d", parameters_schema="{}")],
        tool_choice=chat_pb2.TOOL_CHOICE_AUTO,
        response_format=chat_pb2.ResponseFormat(json_schema=chat_pb2.JsonSchemaFormat(name="n", schema_json="{}")),
        retrieval=job_pb2.RetrievalOptions(collection="docs", top_k=3, filter=filter_pb2.Filter(condition=condition)),
    )


def changed(**paths):
    """The full request with fields set: `sampling__seed=2`."""
    request = full()
    for path, value in paths.items():
        *parents, name = path.split("__")
        target = request
        for parent in parents:
            target = target[int(parent)] if parent.isdecimal() else getattr(target, parent)
        setattr(target, name, value)
    return request


def without(path):
    request = full()
    *parents, name = path.split("__")
    target = request
    for parent in parents:
        target = getattr(target, parent)
    target.ClearField(name)
    return request


WALLS = {
    "model": changed(model="large"),
    "a system prompt": changed(messages__0__parts__0__text="Be long."),
    "an earlier message": changed(messages__1__parts__0__text="Hullo"),
    "an earlier role": changed(messages__1__role=SYSTEM),
    "a message less": job_pb2.GenerationRequest(model="small", messages=full().messages[1:]),
    "temperature": changed(sampling__temperature=0.6),
    "no temperature": without("sampling__temperature"),
    "temperature zero": changed(sampling__temperature=0.0),
    "top_p": changed(sampling__top_p=0.8),
    "top_k": changed(sampling__top_k=41),
    "max_tokens": changed(sampling__max_tokens=101),
    "no stop": without("sampling__stop"),
    "seed": changed(sampling__seed=2),
    "frequency_penalty": changed(sampling__frequency_penalty=0.2),
    "presence_penalty": changed(sampling__presence_penalty=0.2),
    "no sampling": without("sampling"),
    "a tool's name": changed(tools__0__name="g"),
    "a tool's description": changed(tools__0__description="e"),
    "a tool's schema": changed(tools__0__parameters_schema='{"type":"object"}'),
    "no tools": without("tools"),
    "tool_choice": changed(tool_choice=chat_pb2.TOOL_CHOICE_REQUIRED),
    "a schema": changed(response_format__json_schema__schema_json='{"type":"object"}'),
    "no format": without("response_format"),
    "collection": changed(retrieval__collection="other"),
    "the number of chunks": changed(retrieval__top_k=5),
    "the filter": changed(retrieval__filter__condition__field="metadata.role"),
    "no filter": without("retrieval__filter"),
    "no retrieval": without("retrieval"),
}


def partition(request, tenant="acme", version=1):
    return address(tenant, request, version).partition


@pytest.mark.parametrize("what", WALLS)
def test_every_field_that_matters_is_a_wall(what):
    assert partition(WALLS[what]) != partition(full())


def test_all_walls_are_different_places():
    assert len({partition(request) for request in WALLS.values()}) == len(WALLS)


def test_tenant_and_collection_version_are_walls():
    assert len({partition(full()), partition(full(), tenant="other"), partition(full(), version=2)}) == 3


def test_a_field_of_the_contract_is_a_wall_unless_it_is_known_not_to_matter():
    irrelevant = {"cache", "priority", "timeout", "webhook_url", "labels", "routing", "retry_policy"}
    tried = {"model", "messages", "sampling", "tools", "tool_choice", "response_format", "retrieval"}
    assert {field.name for field in job_pb2.GenerationRequest.DESCRIPTOR.fields} == tried | irrelevant


def test_a_field_this_version_does_not_know_is_a_wall():
    newer = job_pb2.GenerationRequest.FromString(full().SerializeToString() + b"\xa2\x06\x03new")
    assert partition(newer) != partition(full())


@pytest.mark.parametrize(
    "same",
    [
        changed(cache__mode=job_pb2.CACHE_MODE_SEMANTIC),
        changed(priority=job_pb2.PRIORITY_LOW),
        changed(webhook_url="http://example.com"),
        job_pb2.GenerationRequest(labels={"a": "b"}, timeout=Duration(seconds=3)),
    ],
)
def test_what_cannot_change_the_answer_is_no_wall(same):
    request = full()
    request.MergeFrom(job_pb2.GenerationRequest(cache=same.cache, priority=same.priority, labels=same.labels))
    request.MergeFrom(job_pb2.GenerationRequest(webhook_url=same.webhook_url, timeout=same.timeout))
    assert address("acme", request, 1) == address("acme", full(), 1)


def test_equal_requests_spelt_differently_are_equal():
    plain = job_pb2.GenerationRequest(model="m", messages=[said(USER, "?")])
    plain.sampling.temperature = 0.0
    plain.sampling.stop.extend(["a", "b"])
    plain.retrieval.collection = "docs"
    verbose = job_pb2.GenerationRequest()
    verbose.CopyFrom(plain)
    verbose.sampling.temperature = -0.0
    verbose.sampling.stop[:] = ["b", "a", "b"]
    verbose.retrieval.top_k = 4
    verbose.retrieval.filter.SetInParent()
    verbose.response_format.SetInParent()
    verbose.tool_choice = chat_pb2.TOOL_CHOICE_NONE
    assert address("acme", verbose, 1) == address("acme", plain, 1)


def test_the_question_stands_inside_the_walls():
    other = changed(messages__3__parts__0__text="When?")
    assert partition(other) == partition(full())
    assert address("acme", other, 1).exact != address("acme", full(), 1).exact


@pytest.mark.parametrize(
    "other",
    [
        changed(messages__3__tool_call_id="x"),
        job_pb2.GenerationRequest(model="small", messages=[*full().messages[:3], said(USER, "Whe", "re?")]),
        job_pb2.GenerationRequest(model="small", messages=[*full().messages[:3], said(USER, "Where? ")]),
    ],
)
def test_the_exact_key_holds_the_question_to_the_byte(other):
    request = full()
    request.messages[-1].CopyFrom(other.messages[-1])
    assert partition(request) == partition(full())
    assert address("acme", request, 1).exact != address("acme", full(), 1).exact


def test_a_conversation_that_ends_with_a_tools_result_has_no_question():
    request = full()
    request.messages.append(said(TOOL, "42"))
    assert question_text(request) == ""
    assert partition(request) != partition(full())


def test_a_part_that_is_not_text_leaves_nothing_to_embed():
    request = full()
    request.messages[-1].parts.add()
    assert question_text(request) == ""


def test_embedders_see_different_partitions():
    where = address("acme", full(), 1)
    assert semantic_partition(where, Vector("a", b"")) != semantic_partition(where, Vector("b", b""))


texts = st.text(max_size=8)
histories = st.lists(st.tuples(st.sampled_from([USER, ASSISTANT, SYSTEM]), st.lists(texts, max_size=3)), max_size=4)


@given(histories, histories, texts)
def test_conversations_share_a_partition_only_if_they_are_equal(one, other, question):
    def after(history):
        return job_pb2.GenerationRequest(
            messages=[*(said(role, *parts) for role, parts in history), said(USER, question)]
        )

    assert (partition(after(one)) == partition(after(other))) == (one == other)


@given(texts, texts, st.sampled_from(sorted(WALLS)), st.integers(0, 3))
def test_two_tenants_never_share_anything_but_names(one, other, what, version):
    here, there = address(one, WALLS[what], version), address(other, WALLS[what], version)
    shared = {field.name for field in fields(Address) if getattr(here, field.name) == getattr(there, field.name)}
    assert shared == ({field.name for field in fields(Address)} if one == other else {"model", "collection"})


def test_vectors_of_texts_that_differ_where_they_cannot_be_read_are_never_compared():
    where = address("acme", full(), 1)
    read, apple, car = (Vector("a", b"", unread) for unread in (b"", b"apple", b"car"))
    assert len({semantic_partition(where, vector) for vector in (read, apple, car)}) == 3
