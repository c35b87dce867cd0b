"""What jobs take in tokens, before and after."""

import pytest
from tests.router.harness import asking

from weft.common.v1 import chat_pb2
from weft.job.v1 import event_pb2
from weft_kit.catalog.catalog import (
    Catalog,
    ModelAlias,
    Route,
    TenantShare,
)
from weft_kit.joblog import tenant_tag
from weft_router.job import usage
from weft_router.worker.tenant_weights import TenantWeights

MODELS = {"default": ModelAlias(routes=(Route(provider="mock"),), max_output_tokens=100, context_tokens=1000)}


def expected(**fields: object) -> int:
    return usage.expected(event_pb2.Accepted(request=asking("x" * 300, **fields)), MODELS)


def test_a_job_is_expected_to_take_its_prompt_and_the_longest_answer() -> None:
    prompt = expected(sampling=chat_pb2.SamplingParams(max_tokens=0))
    assert prompt >= 100
    assert expected(sampling=chat_pb2.SamplingParams(max_tokens=40)) == prompt + 40
    assert expected() == prompt + 100
    assert expected(sampling=chat_pb2.SamplingParams(max_tokens=4000)) == prompt + 100
    assert expected(model="gone") == prompt


PROMPT = [chat_pb2.Message(role=chat_pb2.ROLE_USER, parts=[chat_pb2.ContentPart(text="x" * 300)])]
ESTIMATE = usage.estimated(PROMPT, 0).prompt_tokens


@pytest.mark.parametrize(
    ("reported", "seen", "is_whole", "expected"),
    [
        # (prompt, completion) that were reported, and (prompt, completion, estimated) that are booked.
        ((7, 3), 3, True, (7, 3, False)),
        ((7, 3), 50, True, (7, 3, False)),
        ((7, 900), 3, True, (7, 900, False)),  # thoughts that nobody sees
        ((0, 3), 3, True, (ESTIMATE, 3, True)),
        ((7, 0), 3, True, (7, 3, True)),
        ((7, 0), 0, True, (7, 0, False)),
        # Broken off: an Anthropic stream begins with its prompt and one token, and counts the rest at its end
        # (https://docs.anthropic.com/en/docs/build-with-claude/streaming).
        ((7, 1), 50, False, (7, 50, True)),
        ((7, 900), 50, False, (7, 900, False)),
        ((7, 1), 0, False, (7, 1, False)),
        ((0, 900), 0, False, (ESTIMATE, 900, True)),
        # What cannot be: more than a million tokens beyond what can be seen.
        ((900_000, 3), 3, True, (900_000, 3, False)),
        ((10**9, 3), 3, True, (ESTIMATE, 3, True)),
        ((7, 10**9), 3, True, (7, 3, True)),
        ((10**9, 10**9), 3, False, (ESTIMATE, 3, True)),
    ],
)
def test_what_was_not_reported_or_cannot_be_is_what_can_be_seen(
    reported: tuple[int, int], seen: int, *, is_whole: bool, expected: tuple[int, int, bool]
) -> None:
    told = chat_pb2.Usage(prompt_tokens=reported[0], completion_tokens=reported[1])
    booked = usage.completed(told, PROMPT, seen, is_whole=is_whole)

    assert (booked.prompt_tokens, booked.completion_tokens, booked.estimated) == expected


def test_no_part_of_a_count_that_cannot_be_is_booked() -> None:
    told = chat_pb2.Usage(
        prompt_tokens=10**9, cached_prompt_tokens=10**9, completion_tokens=10**9, reasoning_tokens=10**9
    )
    assert usage.completed(told, PROMPT, 3, is_whole=True) == chat_pb2.Usage(
        prompt_tokens=ESTIMATE, completion_tokens=3, reasoning_tokens=3, estimated=True
    )


def test_usages_add_up_and_are_estimated_as_soon_as_one_is() -> None:
    reported = chat_pb2.Usage(prompt_tokens=7, completion_tokens=3, cached_prompt_tokens=2, reasoning_tokens=1)
    seen = chat_pb2.Usage(prompt_tokens=10, completion_tokens=2, estimated=True)

    assert not usage.summed((reported, reported)).estimated
    together = usage.summed((reported, seen))
    assert together == chat_pb2.Usage(
        prompt_tokens=17, completion_tokens=5, cached_prompt_tokens=2, reasoning_tokens=1, estimated=True
    )
    assert usage.total(together) == 22


def test_a_tenant_weighs_what_the_catalog_gives_it() -> None:
    catalog = Catalog(
        providers={"mock": {"kind": "inference", "target": "x:1"}},  # type: ignore[dict-item]
        models=MODELS,
        default_share=TenantShare(weight=0.5),
        tenants={"acme": TenantShare(weight=3, expedited=True)},
    )
    shares = TenantWeights(lambda: catalog)

    assert (shares.weight(tenant_tag("acme")), shares.is_expedited(tenant_tag("acme"))) == (3, True)
    assert (shares.weight(tenant_tag("somebody")), shares.is_expedited(tenant_tag("somebody"))) == (0.5, False)


def test_whatever_attempts_took_is_added_up() -> None:
    counts = [field.name for field in chat_pb2.Usage.DESCRIPTOR.fields if field.name != "estimated"]
    one = chat_pb2.Usage(**dict(zip(counts, range(1, 100), strict=False)))
    assert usage.summed([one, one]) == chat_pb2.Usage(**{name: 2 * getattr(one, name) for name in counts})
