"""What jobs take in tokens, before and after."""

from tests.router.desk import asking

from weft.common.v1 import chat_pb2
from weft.job.v1 import event_pb2
from weft_kit.catalog import Catalog, ModelAlias, Route, Share
from weft_kit.joblog import tenant_tag
from weft_router import usage
from weft_router.shares import Shares

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
        default_share=Share(weight=0.5),
        tenants={"acme": Share(weight=3, expedited=True)},
    )
    shares = Shares(lambda: catalog)

    assert (shares.weight(tenant_tag("acme")), shares.is_expedited(tenant_tag("acme"))) == (3, True)
    assert (shares.weight(tenant_tag("somebody")), shares.is_expedited(tenant_tag("somebody"))) == (0.5, False)
