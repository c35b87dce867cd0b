"""Filters of retrieval pass where they mean something, and are refused with their place where they do not."""

from typing import Any

import pytest
from google.protobuf.json_format import ParseDict

from weft.common.v1 import filter_pb2
from weft_gateway.submission.filters import filter_problem


def condition(**fields: Any) -> dict[str, Any]:
    return {"condition": {"field": "title", "operator": "OPERATOR_EQUAL", "values": [{"text": "a"}], **fields}}


def nested(depth: int) -> dict[str, Any]:
    return {"not": nested(depth - 1)} if depth > 1 else condition()


@pytest.mark.parametrize(
    "tree",
    [
        condition(),
        condition(field="metadata.year", operator="OPERATOR_LESS", values=[{"number": 1}]),
        condition(operator="OPERATOR_EXISTS", values=[]),
        {"and": {"filters": [condition(), {"or": {"filters": [condition()]}}]}},
        nested(8),
    ],
)
def test_a_filter_that_means_something_passes(tree: dict[str, Any]) -> None:
    assert filter_problem(ParseDict(tree, filter_pb2.Filter())) is None


@pytest.mark.parametrize(
    ("tree", "problem"),
    [
        ({}, ": must be one of"),
        ({"and": {"filters": []}}, ".and: needs at least one"),
        ({"not": condition(field="author")}, ".not.condition.field"),
        (condition(field="metadata."), ".condition.field"),
        (condition(operator="OPERATOR_UNSPECIFIED"), ".condition.operator"),
        (condition(values=[]), ".condition.values"),
        (condition(operator="OPERATOR_IN", values=[{"text": "a"}, {"number": 1}]), ".condition.values"),
        (condition(operator="OPERATOR_LESS"), ".condition.values"),
        (condition(operator="OPERATOR_IN", values=[{"flag": True}]), ".condition.values"),
        (nested(9), ".not.not.not.not.not.not.not.not: is deeper than 8"),
        ({"or": {"filters": [condition()] * 64}}, ": has more than 64 nodes"),
    ],
)
def test_a_filter_that_means_nothing_is_refused_with_its_place(tree: dict[str, Any], problem: str) -> None:
    found = filter_problem(ParseDict(tree, filter_pb2.Filter()))
    assert found is not None
    assert found.startswith(problem)
