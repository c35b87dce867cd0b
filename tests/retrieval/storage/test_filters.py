"""Filters: what is malformed is refused with its place, what is well-formed means the same in SQL as in Python."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql
from psycopg.types.json import Jsonb

from weft.common.v1.filter_pb2 import Condition, Filter, FilterList, Value
from weft_kit.rpc.errors import Invalid
from weft_kit.stores.postgres import migrate
from weft_retrieval.metadata import facts, point_in_time
from weft_retrieval.storage.filters import compile_filter
from weft_retrieval.storage.postgres import SCHEMA

EQUAL, NOT_EQUAL, IN, EXISTS = (
    Condition.OPERATOR_EQUAL, Condition.OPERATOR_NOT_EQUAL, Condition.OPERATOR_IN, Condition.OPERATOR_EXISTS
)  # fmt: skip
LESS = Condition.OPERATOR_LESS
ORDERINGS: dict[int, Callable[[Any, Any], bool]] = {
    LESS: lambda a, b: a < b,
    Condition.OPERATOR_LESS_OR_EQUAL: lambda a, b: a <= b,
    Condition.OPERATOR_GREATER: lambda a, b: a > b,
    Condition.OPERATOR_GREATER_OR_EQUAL: lambda a, b: a >= b,
}
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def condition(field: str, operator: int, *values: Any) -> Filter:
    return Filter(condition=Condition(field=field, operator=operator, values=[value(v) for v in values]))


def value(python: Any) -> Value:
    if isinstance(python, datetime):
        stamp = Timestamp()
        stamp.FromDatetime(python)
        return Value(time=stamp)
    if isinstance(python, bool):
        return Value(flag=python)
    return Value(text=python) if isinstance(python, str) else Value(number=python)


def joined(word: str, *filters: Filter) -> Filter:
    return Filter(**{word: FilterList(filters=filters)})


def negated(wanted: Filter) -> Filter:
    return Filter(**{"not": wanted})


def nested(depth: int) -> Filter:
    wanted = condition("title", EXISTS)
    for _ in range(depth - 1):
        wanted = negated(wanted)
    return wanted


@pytest.mark.parametrize(
    ("wanted", "node"),
    [
        (Filter(), "filter"),
        (joined("and"), "filter.and"),
        (joined("or", condition("title", EXISTS), Filter()), "filter.or[1]"),
        (negated(Filter()), "filter.not"),
        (condition("colour", EXISTS), "filter.condition.field"),
        (condition("metadata.", EXISTS), "filter.condition.field"),
        (condition("metadata.a b", EXISTS), "filter.condition.field"),
        (condition("metadata." + "k" * 65, EXISTS), "filter.condition.field"),
        (condition("metadata.k'; DROP TABLE documents; --", EXISTS), "filter.condition.field"),
        (condition("title", Condition.OPERATOR_UNSPECIFIED, "x"), "filter.condition.operator"),
        (condition("title", 99, "x"), "filter.condition.operator"),
        (condition("title", EXISTS, "x"), "filter.condition.values"),
        (condition("title", EQUAL), "filter.condition.values"),
        (condition("title", EQUAL, "x", "y"), "filter.condition.values"),
        (condition("title", IN), "filter.condition.values"),
        (condition("title", IN, *"x" * 101), "filter.condition.values"),
        (condition("metadata.k", IN, "x", 1.0), "filter.condition.values"),
        (condition("metadata.k", IN, True, False), "filter.condition.values"),
        (condition("metadata.k", LESS, "x"), "filter.condition.values"),
        (condition("metadata.k", LESS, True), "filter.condition.values"),
        (condition("title", EQUAL, 1.0), "filter.condition.values"),
        (condition("ingest_time", EQUAL, "2024"), "filter.condition.values"),
        (condition("content_type", EQUAL, "odt"), "filter.condition.values"),
        (Filter(condition=Condition(field="metadata.k", operator=EQUAL, values=[Value()])), "filter.condition.values"),
        (
            Filter(condition=Condition(
                field="ingest_time", operator=EQUAL, values=[Value(time=Timestamp(seconds=2**60))]
            )),
            "filter.condition.values[0]",
        ),
        (nested(9), "filter" + ".not" * 8),
        (joined("or", *[condition("title", EXISTS)] * 64), "filter.or[63]"),
    ],
)  # fmt: skip
def test_a_malformed_filter_is_refused_with_its_node(wanted, node):
    with pytest.raises(Invalid) as caught:
        compile_filter(wanted)
    assert caught.value.reason_name == "INVALID_FILTER"
    assert caught.value.metadata["node"] == node
    assert caught.value.message.startswith(node)


def test_the_limits_themselves_are_allowed():
    compile_filter(nested(8))
    compile_filter(joined("or", *[condition("title", EXISTS)] * 63))


def test_no_value_of_the_caller_stands_in_the_sql():
    evil = "'; DROP TABLE documents; --"
    compiled = compile_filter(joined("and", condition("title", EQUAL, evil), condition("metadata.k", IN, evil, "b")))
    assert evil not in compiled.condition.as_string(None)
    assert [evil] in compiled.params.values()


DOCUMENTS: list[dict[str, Any]] = [
    {"document_id": f"d{n}", "title": title, "source_uri": uri, "content_type": kind, "metadata": metadata,
     "ingest_time": NOON + timedelta(hours=n)}
    for n, (title, uri, kind, metadata) in enumerate([
        ("", "", "text", {}),
        ("a", "u", "pdf", {"k": "a"}),
        ("b", "", "html", {"k": 1.0, "j": "a"}),
        ("a", "v", "markdown", {"k": True}),
        ("", "u", "text", {"k": ["a", 2.0, False, "2024-05-01T12:00:00Z"]}),
        ("b", "u", "text", {"k": [], "j": [1.0, 2.0]}),
        ("a", "", "pdf", {"k": "2024-05-01T14:00:00+02:00", "j": False}),
        ("b", "v", "pdf", {"k": "2024-06-01T00:00:00Z", "j": "x" * 5000}),
        ("a", "u", "text", {"k": -0.0, "j": ["b", True]}),
    ])
]  # fmt: skip


def holds(wanted: Filter, document: dict[str, Any]) -> bool:
    """Evaluates a filter the plain way: the meaning the SQL is held against."""
    match wanted.WhichOneof("node"):
        case "and":
            return all(holds(part, document) for part in getattr(wanted, "and").filters)
        case "or":
            return any(holds(part, document) for part in getattr(wanted, "or").filters)
        case "not":
            return not holds(getattr(wanted, "not"), document)
    field, operator = wanted.condition.field, wanted.condition.operator
    key = field.removeprefix("metadata.")
    if key != field:
        present = key in document["metadata"]
        there = document["metadata"].get(key, [])
        stored = there if isinstance(there, list) else [there]
    else:
        stored = [document[field]] if document[field] else []
        present = bool(stored)
    wants = [python(given) for given in wanted.condition.values]
    if operator == EXISTS:
        return present
    if operator in ORDERINGS:
        return any(
            ORDERINGS[operator](found, wants[0]) for found in map(comparable(wants[0]), stored) if found is not None
        )
    equal = any(comparable(want)(found) == want for found in stored for want in wants)
    return present and not equal if operator == NOT_EQUAL else equal


def python(given: Value) -> Any:
    return (
        given.time.ToDatetime(tzinfo=UTC) if given.HasField("time") else getattr(given, str(given.WhichOneof("value")))
    )


def comparable(want: Any) -> Callable[[Any], Any]:
    """Returns what reads a stored value as the type of `want`; None when it is not one."""

    def read(found: Any) -> Any:
        if isinstance(want, datetime) and isinstance(found, str):
            return point_in_time(found)
        return found if type(found) is type(want) else None

    return read


texts = st.sampled_from(["a", "b", "u", "d3", "2024-05-01T12:00:00Z", "x" * 5000, "", "\U0001f600'\"%s{}\\"])
numbers = st.sampled_from([0.0, 1.0, 1.5, 2.0, -1e308])
times = st.sampled_from(
    [NOON, NOON + timedelta(hours=3), datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)]
)
keys = st.sampled_from(["metadata.k", "metadata.j", "metadata.none", "metadata.a-b_C9"])
kinds = st.sampled_from(["text", "markdown", "html", "pdf"])
orderings = st.sampled_from(sorted(ORDERINGS))
equalities = st.sampled_from([EQUAL, NOT_EQUAL])
conditions = st.one_of(
    st.builds(
        condition, keys | st.sampled_from(["title", "source_uri", "ingest_time", "document_id"]), st.just(EXISTS)
    ),
    st.builds(condition, keys, equalities, texts | numbers | times | st.booleans()),
    st.builds(condition, keys, orderings, numbers | times),
    st.builds(condition, st.sampled_from(["title", "source_uri", "document_id"]), equalities, texts),
    st.builds(condition, st.just("content_type"), equalities, kinds),
    st.builds(condition, st.just("ingest_time"), equalities | orderings, times),
    st.lists(texts, min_size=1, max_size=5).map(lambda many: condition("metadata.k", IN, *many)),
    st.lists(numbers, min_size=1, max_size=5).map(lambda many: condition("metadata.j", IN, *many)),
    st.lists(kinds, min_size=1, max_size=5).map(lambda many: condition("content_type", IN, *many)),
)
filters = st.recursive(
    conditions,
    lambda inner: st.one_of(
        inner.map(negated),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: joined("and", *parts)),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: joined("or", *parts)),
    ),
    max_leaves=8,
)


def depth(wanted: Filter) -> int:
    parts = [*getattr(wanted, "and").filters, *getattr(wanted, "or").filters]
    parts += [getattr(wanted, "not")] if wanted.HasField("not") else []
    return 1 + max(map(depth, parts), default=0)


@pytest.fixture
async def stored(postgres_url, superuser_url):
    """Migrates, and stores DOCUMENTS in two collections, so that looking into the wrong one would show."""
    async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as connection:
        await migrate(connection, SCHEMA)
    with psycopg.connect(superuser_url, autocommit=True, options="-c search_path=retrieval,public") as session:
        for tenant in ("acme", "other"):
            (collection,) = session.execute(
                "INSERT INTO collections (tenant, name, max_tokens, overlap_tokens, language)"
                " VALUES (%s, 'docs', 800, 100, 'english') RETURNING id", (tenant,)
            ).fetchone()  # fmt: skip
            documents = DOCUMENTS if tenant == "acme" else DOCUMENTS[::-1]
            for document in documents:
                insert(session, collection, document)
        session.execute("SET ROLE weft_retrieval")
        session.execute("SET weft.tenant = 'acme'")
        yield session


def insert(session: psycopg.Connection, collection: int, document: dict[str, Any]) -> None:
    (row,) = session.execute(
        "INSERT INTO documents (collection_id, document_id, title, source_uri, content_type, metadata, content_hash,"
        " fingerprint, chunk_count, window_count, ingest_time)"
        " VALUES (%s, %s, %s, %s, %s, %s, '', '', 0, 0, %s) RETURNING id",
        (collection, document["document_id"], document["title"], document["source_uri"], document["content_type"],
         Jsonb(document["metadata"]), document["ingest_time"]),
    ).fetchone()  # fmt: skip
    for fact in facts(document["metadata"]):
        session.execute(
            "INSERT INTO facts (collection_id, document, key, text, number, flag, time)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (collection, row, fact.key, fact.text, fact.number, fact.flag, fact.time),
        )


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=filters.filter(lambda wanted: depth(wanted) <= 8))
async def test_sql_and_python_agree_on_every_filter(stored, wanted):
    compiled = compile_filter(wanted)
    query = sql.SQL("SELECT d.document_id FROM documents d WHERE d.collection_id = %(collection)s AND {}")
    rows = stored.execute(query.format(compiled.condition), {"collection": 1, **compiled.params}).fetchall()
    assert {name for (name,) in rows} == {doc["document_id"] for doc in DOCUMENTS if holds(wanted, doc)}
