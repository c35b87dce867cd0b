"""Every table on terminals of any width: what is told by figures and ids stays whole."""

import io

import pytest
from rich.console import Console

from weft.cache.v1 import cache_pb2
from weft.gateway.v1 import gateway_pb2, webhook_pb2
from weft.job.v1 import job_pb2
from weft.retrieval.v1 import retrieval_pb2
from weft.router.v1 import router_pb2
from weft_cli.views.cache import cache_stats
from weft_cli.views.collections import collection_sheet, collections_table, documents_table
from weft_cli.views.ingests import ingest_record, ingests_table
from weft_cli.views.jobs import job_record, jobs_table
from weft_cli.views.layout import fitted
from weft_cli.views.mesh import mesh_status_table
from weft_cli.views.providers import checks_table, models_table, providers_table
from weft_cli.views.spending import keys_table, usage_table
from weft_cli.views.webhooks import deliveries_list, secrets_table

JOB = "ng8lj7bc7-06h2hgspj6akthgpfuvtpbi178"
LONG = "a text that is long enough to leave no room for anything beside it on a terminal of eighty columns"
TIME = "2026-01-02T03:04:05Z"


def a_job() -> job_pb2.Job:
    job = job_pb2.Job(job_id=JOB, state=job_pb2.JOB_STATE_SUCCEEDED, model="default", cache_hit=job_pb2.CacheHit())
    job.accept_time.FromJsonString(TIME)
    job.end_time.FromJsonString("2026-01-02T03:04:06.200Z")
    job.total_cost.micros, job.total_cost.currency = 2_500_001, "EUR"
    attempt = job.attempts.add(number=1, provider="openai-east", provider_model=LONG, chosen_because=LONG)
    attempt.usage.prompt_tokens, attempt.usage.completion_tokens = 1_234_567, 89
    return job


def an_ingest() -> retrieval_pb2.IngestJob:
    job = retrieval_pb2.IngestJob(job_id=JOB, collection="c" * 30, state=job_pb2.JOB_STATE_SUCCEEDED)
    job.accept_time.FromJsonString(TIME)
    job.progress.documents, job.progress.created, job.progress.chunks = 10_000, 9_876, 123_456
    return job


def a_provider() -> router_pb2.Provider:
    provider = router_pb2.Provider(
        name="openai-in-the-far-east",
        state=router_pb2.Provider.STATE_DEGRADED,
        breaker=router_pb2.Provider.BREAKER_HALF_OPEN,
        succeeded=1_234_567,
        failed=8_910,
        in_flight=256,
        tokens_per_second=41.26,
        last_error=LONG,
    )
    provider.cost_today.micros, provider.cost_today.currency = 1_234_567_891, "EUR"
    provider.first_token_p50.FromMilliseconds(840)
    provider.first_token_p95.FromMilliseconds(10_700)
    return provider


def a_check() -> router_pb2.ProviderCheck:
    check = router_pb2.ProviderCheck(name="openai-east", kind="openai_responses")
    check.latency.FromMilliseconds(123)
    check.error.message = LONG
    return check


def a_usage() -> gateway_pb2.GetUsageResponse:
    usage = gateway_pb2.GetUsageResponse(currency="EUR")
    usage.tenant.tokens_last_minute, usage.tenant.budget.tokens_per_minute = 1_234_567, 9_000_000
    usage.tenant.micros_today, usage.tenant.budget.micros_per_day = 12_345_678, 50_000_000
    return usage


def a_key() -> gateway_pb2.Key:
    key = gateway_pb2.Key(key_id="k123456789abcdef", tenant="tenant-with-a-name", name=LONG, calls_per_minute=1_000_000)
    key.budget.tokens_per_minute, key.budget.micros_per_day = 987_654_321, 1_234_567_890
    key.create_time.FromJsonString(TIME)
    return key


def a_delivery() -> webhook_pb2.Delivery:
    delivery = webhook_pb2.Delivery(job_id=JOB, url="https://receiver.example/hook")
    delivery.tries.add(http_status=503, outcome=LONG).time.FromJsonString(TIME)
    return delivery


def a_cache() -> cache_pb2.GetStatsResponse:
    return cache_pb2.GetStatsResponse(exact_hits=1_234_567, tokens_saved=987_654_321, entries=4_567)


def a_collection() -> retrieval_pb2.Collection:
    return retrieval_pb2.Collection(
        name="handbook_of_the_house", version=12_345, document_count=10_000, chunk_count=123_456, embedder="minilm"
    )


def a_document() -> retrieval_pb2.Document:
    document = retrieval_pb2.Document(document_id="deep/in/the/folder/a.md", title=LONG, chunk_count=4_321)
    document.ingest_time.FromJsonString(TIME)
    return document


PART = {
    "address": "127.0.0.1:7600",
    "pid": 1234567,
    "healthy": True,
    "health": "serving",
    "why": "",
    "catalog": None,
    "cpu_percent": 12.0,
    "rss_bytes": 123e6,
}
STATUS = {
    "endpoint": "127.0.0.1:7600",
    "launcher_pid": 7654321,
    "parts": [{"name": "inference-2", "log": "/l/g.log", **PART}],
}

TABLES = [
    (jobs_table([a_job()]), [JOB, "SUCCEEDED", "01-02", "03:04:05", "default"]),
    (job_record(a_job()), [JOB, "1234567", "89", "2.500001", "openai-east"]),
    (ingests_table([an_ingest()]), [JOB, "9876", "10000"]),
    (ingest_record(an_ingest()), [JOB, "9876", "10000:", "123456,"]),
    (
        providers_table([a_provider()]),
        ["openai-in-the-far-east", "840", "10.7", "41.3", "1243477", "8910", "256", "1,234.567891"],
    ),
    (checks_table([a_check()]), ["openai-east", "openai_responses", "123"]),
    (usage_table(a_usage()), ["1,234,567", "9,000,000", "7,765,433", "12.345678", "50.00", "37.654322"]),
    (keys_table([a_key()]), ["k123456789abcdef", "tenant-with-a-name", "1000000", "987,654,321", "1,234.56789"]),
    (deliveries_list([a_delivery()]), [JOB, "503", "2026-01-02", "https://receiver.example/hook"]),
    (secrets_table([webhook_pb2.WebhookSecret(secret="whsec_" + "s" * 30)], show=True), ["whsec_" + "s" * 30]),
    (cache_stats(a_cache()), ["1,234,567", "987,654,321", "4,567,"]),
    (models_table([router_pb2.Model(name="default", providers=["openai-east", "local"])]), ["default", "openai-east,"]),
    (mesh_status_table(STATUS), ["inference-2", "127.0.0.1:7600", "1234567", "123"]),
    (collections_table([a_collection()]), ["handbook_of_the_house", "10,000", "123,456", "12,345"]),
    (collection_sheet(a_collection()), ["handbook_of_the_house", "10,000", "123,456", "12,345"]),
    (documents_table([a_document()]), ["deep/in/the/folder/a.md", "4,321"]),
]


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize(("table", "figures"), TABLES)
def test_figures_and_ids_are_whole_at_any_width(table, figures, width):
    text = io.StringIO()
    Console(file=text, width=width).print(table)
    lines = text.getvalue().splitlines()
    words = {word for line in lines for part in line.split() for word in (part, *part.split("/"))}
    assert [figure for figure in figures if figure not in words] == []
    assert max(map(len, lines)) <= width
    assert "…" not in text.getvalue()


def test_long_texts_give_way_first_and_short_ones_when_that_is_not_enough():
    assert fitted([(36, 36), (5, 9), (7, 40)], 200) == [36, 9, 40]
    assert fitted([(36, 36), (5, 9), (7, 40)], 80) == [36, 9, 31]
    assert fitted([(36, 36), (5, 9), (7, 40)], 54) == [36, 7, 7]
    assert fitted([(36, 36), (5, 9), (7, 40)], 51) is None
