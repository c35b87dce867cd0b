"""What fits on a terminal of 80 columns."""

import io

import pytest
from rich.console import Console

from weft.common.v1 import chat_pb2, error_pb2
from weft.gateway.v1 import gateway_pb2
from weft.job.v1 import event_pb2, ingest_pb2, job_pb2
from weft.retrieval.v1 import retrieval_pb2
from weft.router.v1 import router_pb2
from weft_cli.views.events import event_line
from weft_cli.views.ingests import ingests_table
from weft_cli.views.jobs import finish, job_record, whole_job
from weft_cli.views.providers import checks_table, models_table, providers_table
from weft_cli.views.spending import amount, usage_table


def shown(table):
    text = io.StringIO()
    Console(file=text, width=80).print(table)
    return [" ".join(line.split()) for line in text.getvalue().splitlines()]


def test_a_provider_is_one_line_and_what_is_wrong_with_it_others():
    busy = router_pb2.Provider(
        name="openai-east",
        kind="openai",
        region="us",
        state=router_pb2.Provider.STATE_DEGRADED,
        breaker=router_pb2.Provider.BREAKER_OPEN,
        in_flight=3,
        succeeded=120,
        failed=4,
        tokens_per_second=41.26,
        last_error="503",
        errors={"PROVIDER_TIMEOUT": 1, "PROVIDER_ERROR": 3},
        unpriced_models=["m"],
    )
    busy.cost_today.micros, busy.cost_today.currency = 12_300, "EUR"
    busy.first_token_p50.FromMilliseconds(840)
    busy.first_token_p95.FromMilliseconds(10_700)
    busy.last_error_time.FromJsonString("2026-01-02T03:04:05Z")
    quiet = router_pb2.Provider(name="local", kind="inference")
    assert shown(providers_table([busy, quiet])) == [
        "1st token tokens EUR",
        "provider state p50/p95 a second calls failed now today",
        "openai-east DEGRADED, OPEN 840 ms/10.7 s 41.3 124 4 3 0.0123",
        "local not asked yet 0",
        "openai-east (openai, us) failed: 3 PROVIDER_ERROR, 1 PROVIDER_TIMEOUT; last at",
        "2026-01-02 03:04:05 UTC: 503",
        "openai-east: no price for m, so budgets count it as 0; add one to [prices], 0",
        "where it is free",
    ]


def test_a_provider_of_several_models_shows_each_with_its_breaker():
    models = [
        router_pb2.ProviderModel(name="large", breaker=router_pb2.Provider.BREAKER_OPEN, failed=5),
        router_pb2.ProviderModel(name="small", breaker=router_pb2.Provider.BREAKER_CLOSED, succeeded=2),
    ]
    provider = router_pb2.Provider(
        name="p", state=router_pb2.Provider.STATE_DEGRADED, succeeded=2, failed=5, models=models
    )
    assert shown(providers_table([provider]))[2:] == ["p DEGRADED 7 5", "large OPEN 5 5", "small CLOSED 2"]


def test_a_model_shows_what_the_cache_does_for_it():
    kept = router_pb2.Model(name="faq", providers=["a", "b"], cache_mode=job_pb2.CACHE_MODE_SEMANTIC)
    older = router_pb2.Model(name="plain", providers=["a"])
    assert shown(models_table([kept, older])) == [
        "model cache providers, most preferred first",
        "faq semantic a, b",
        "plain not told a",
    ]


def test_an_ingest_job_shows_how_many_documents_failed():
    progress = ingest_pb2.IngestProgress(documents=3, created=2, failed=1)
    job = retrieval_pb2.IngestJob(job_id="n-1", state=job_pb2.JOB_STATE_SUCCEEDED, collection="hb", progress=progress)
    assert shown(ingests_table([job]))[1].endswith("hb 3 of 3 1")


def test_a_check_that_failed_says_what_to_do():
    failed = router_pb2.ProviderCheck(name="p", kind="openai")
    failed.error.reason, failed.error.message = error_pb2.ERROR_REASON_PROVIDER_REJECTED, "401; set KEY"
    assert shown(checks_table([failed]))[1] == "✗ p openai 0 ms PROVIDER_REJECTED: 401; set KEY"


def test_an_attempt_shows_what_became_of_it_when_for_how_much_and_why():
    job = job_pb2.Job(job_id="j", state=job_pb2.JOB_STATE_SUCCEEDED)
    job.accept_time.FromMilliseconds(1_000)
    job.total_cost.micros, job.total_cost.currency = 2_500_000, "EUR"
    lost = job.attempts.add(number=1, provider="p", provider_model="m", result=job_pb2.Attempt.RESULT_LOST_RACE)
    lost.chosen_because = "most preferred route"
    lost.start_time.FromMilliseconds(1_250)
    lost.duration.FromMilliseconds(300)
    lost.usage.prompt_tokens, lost.usage.estimated = 12, True
    lost.cost.micros, lost.cost.currency = 120, "EUR"
    lines = shown(job_record(job))
    at = lines.index("attempt 1 p (m) · LOST_RACE")
    assert lines[at + 1 : at + 4] == [
        "began after 250 ms · took 300 ms",
        "12 read, 0 written, estimated · 0.00012 EUR",
        "most preferred route",
    ]
    assert "cost 2.50 EUR" in lines


@pytest.mark.parametrize(
    ("reason", "word", "text", "said"),
    [
        (chat_pb2.FINISH_REASON_STOP, "eos", "It is green.", ""),
        (chat_pb2.FINISH_REASON_STOP, "stop", "", "STOP · the provider's word: stop"),
        (chat_pb2.FINISH_REASON_LENGTH, "max_tokens", "It is", "LENGTH · the provider's word: max_tokens"),
        (chat_pb2.FINISH_REASON_CONTENT_FILTER, "", "", "CONTENT_FILTER"),
        (chat_pb2.FINISH_REASON_UNSPECIFIED, "pause_turn", "It is", "not known · the provider's word: pause_turn"),
        (chat_pb2.FINISH_REASON_UNSPECIFIED, "", "", ""),
    ],
)
def test_an_answer_that_was_not_just_finished_says_why_it_stopped(reason, word, text, said):
    answer = job_pb2.Answer(text=text, finish_reason=reason, raw_finish_reason=word)
    job = job_pb2.Job(state=job_pb2.JOB_STATE_SUCCEEDED, answer=answer)
    assert finish(answer) == said
    assert (f"finish {said}" in shown(job_record(job))) == bool(said)
    done = event_line(event_pb2.JobEvent(done=event_pb2.Done(state=job.state, answer=answer))).plain
    assert done.endswith(f'SUCCEEDED: "{text}"{f", {said}" if said else ""}')


def test_calls_of_tools_are_shown_with_their_arguments():
    calls = [chat_pb2.ToolCall(id="1", name="look", arguments_json='{"at": "light"}')]
    answer = job_pb2.Answer(finish_reason=chat_pb2.FINISH_REASON_TOOL_CALLS, tool_calls=calls)
    job = job_pb2.Job(state=job_pb2.JOB_STATE_SUCCEEDED, answer=answer)
    job.request.messages.add(role=chat_pb2.ROLE_ASSISTANT, tool_calls=calls)
    facts = ('call look {"at": "light"}', "finish TOOL_CALLS", 'assistant calls look {"at": "light"}')
    assert set(facts) <= set(shown(whole_job(job)))


def test_a_stale_answer_is_called_so():
    job = job_pb2.Job(job_id="j")
    job.cache_hit.tier, job.cache_hit.similarity, job.cache_hit.served_stale = job_pb2.CACHE_MODE_EXACT, 1, True
    job.cache_hit.age.FromSeconds(7200)
    stale = "cache exact hit, similarity 1.000, 2 h old; stale: all providers had failed"
    assert stale in shown(job_record(job))


def test_a_mesh_without_prices_says_that_nothing_costs_anything():
    assert shown(usage_table(gateway_pb2.GetUsageResponse()))[-2:] == [
        "without a price list nothing costs anything, whatever the budgets say: add",
        "[prices] to the catalog",
    ]


@pytest.mark.parametrize(
    ("micros", "read"), [(0, "0.00"), (2_500_000, "2.50"), (1, "0.000001"), (1_234_000_000, "1,234.00")]
)
def test_money_has_two_decimals_or_as_many_as_it_needs(micros, read):
    assert amount(micros) == read
