"""What takes over when an alias's own routes cannot: other regions, other aliases, a wait for room, a stored answer."""

import asyncio
import time

import pytest
from google.protobuf import duration_pb2
from tests.router.harness import OPENS_AT_ONCE, Harness, asking
from tests.router.services import Engine, serving
from tests.support.transcript import text_of

from weft.cache.v1 import cache_pb2, cache_pb2_grpc
from weft.common.v1 import error_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_kit.rpc.errors import Overloaded
from weft_mock import Fault, MockProvider, Script

CHAIN = """
[models.default]
routes = [{ provider = "mock", model = "m" }]
fallbacks = ["spare"]

[models.spare]
routes = [{ provider = "second", model = "m" }]
max_output_tokens = 7
"""


async def test_a_fallback_takes_over_silently_before_the_first_token(
    pair: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(Script(status=500))
    second.play(Script(text="From the spare one."))
    pair.with_settings(CHAIN)
    async with pair.routing():
        began = time.monotonic()
        events = await pair.events(await pair.submit())
        took_s = time.monotonic() - began

    done = events[-1].done
    assert text_of(events) == done.answer.text == "From the spare one."
    assert not any(event.HasField("rewound") for event in events)
    assert done.attempts[1].chosen_because == "fallback to spare: most preferred route"
    assert took_s < 0.5  # nothing is waited for where another provider can be asked
    assert (await second.next_request()).body["max_tokens"] == 7  # its own limits hold


async def test_after_the_first_token_a_fallback_goes_on_where_it_can(harness: Harness, mock: MockProvider) -> None:
    engine, spare = Engine("One ", "two ", "three."), Engine("One ", "two ", "three ", "four.")
    engine.interruptions = [(2, Overloaded("the engine dropped it; retry", 0.01))]
    async with engine.running() as target, spare.running() as other:
        harness.catalog(
            f'[providers.mock]\nkind = "inference"\ntarget = "{target}"\n'
            f'[providers.second]\nkind = "inference"\ntarget = "{other}"\n{CHAIN}'
        )
        async with harness.routing():
            events = await harness.events(await harness.submit())

    assert not any(event.HasField("rewound") for event in events)
    assert spare.requests[0].prefix == "One two "
    assert text_of(events) == events[-1].done.answer.text == "One two three four."


async def test_after_the_first_token_a_fallback_starts_over_where_it_cannot(
    pair: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(Script(text="One two three.", fault=Fault.RESET, at_token=2))
    second.play(Script(text="Eins zwei drei."))
    pair.with_settings(CHAIN)
    async with pair.routing():
        events = await pair.events(await pair.submit())

    assert [event.HasField("rewound") for event in events].count(True) == 1
    assert text_of(events) == events[-1].done.answer.text == "Eins zwei drei."


async def test_an_open_breaker_leads_straight_to_the_fallback(
    pair: Harness, mock: MockProvider, second: MockProvider
) -> None:
    mock.play(Script(status=500))
    pair.with_settings(CHAIN + OPENS_AT_ONCE)
    async with pair.routing():
        await pair.done(await pair.submit())
        done = await pair.done(await pair.submit())

    assert [attempt.provider for attempt in done.attempts] == ["second"]
    assert mock.stats.requests == 1


async def test_a_request_is_served_near_where_it_wants_to_be(harness: Harness, mock_url: str, second_url: str) -> None:
    providers = "".join(
        f'[providers.{region}]\nkind = "openai"\nbase_url = "{url}"\nregion = "{region}"\n'
        for region, url in (("us", mock_url), ("eu", second_url))
    )
    routes = 'routes = [{ provider = "us", model = "m" }, { provider = "eu", model = "m" }]'
    harness.catalog(f'{providers}[models.default]\n{routes}\n[models.home]\n{routes}\nprefer_region = "eu"\n')
    async with harness.routing():
        anywhere = await harness.done(await harness.submit())
        asked = await harness.done(await harness.submit(asking(routing=job_pb2.Routing(prefer_region="eu"))))
        by_alias = await harness.done(await harness.submit(asking(model="home")))

    assert [done.answer.provider for done in (anywhere, asked, by_alias)] == ["us", "eu", "eu"]


async def test_jobs_wait_for_room_at_a_provider_that_is_full(
    harness: Harness, mock: MockProvider, mock_url: str
) -> None:
    mock.play(Script(first_token_s=0.05))
    harness.catalog(
        f'[providers.mock]\nkind = "openai"\nbase_url = "{mock_url}"\nmax_concurrency = 2\n'
        '[models.default]\nroutes = [{ provider = "mock", model = "m" }]\n'
    )
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, mock.stats.in_flight)
            await asyncio.sleep(0.002)

    async with harness.routing():
        watching = asyncio.create_task(watch())
        ids = [await harness.submit() for _ in range(8)]
        ended = [await harness.done(job_id) for job_id in ids]
        watching.cancel()

    assert most == 2
    assert all(len(done.attempts) == 1 and done.state == job_pb2.JOB_STATE_SUCCEEDED for done in ended)


async def test_in_an_outage_retries_stay_within_their_budget(pair: Harness, mock: MockProvider) -> None:
    mock.play(Script(status=500))
    never = "[breaker]\nminimum_calls = 1000\nwindow_calls = 1000\n"
    alias = '[models.default]\nroutes = [{ provider = "mock", model = "m" }]\nretries = { share = 0.0, floor = 3 }\n'
    pair.with_settings(alias + never)
    async with pair.routing(longest_wait_s=0.01):
        ids = [await pair.submit(lives_s=0.5) for _ in range(10)]
        ended = [await pair.done(job_id) for job_id in ids]

    assert mock.stats.requests == 13
    assert {done.state for done in ended} == {job_pb2.JOB_STATE_EXPIRED}


class Shelf(cache_pb2_grpc.CacheServiceServicer):
    """Holds one answer of some age, which it gives to whoever accepts one so old, if only as a stale one."""

    def __init__(self, text: str, age_s: int) -> None:
        self._answer = job_pb2.Answer(text=text, provider="before")
        self._age = duration_pb2.Duration(seconds=age_s)

    async def Lookup(self, request: cache_pb2.LookupRequest, _: object) -> cache_pb2.LookupResponse:
        policy = request.request.cache
        is_stale = policy.HasField("max_age") and policy.max_age.seconds < self._age.seconds
        if is_stale and request.stale_within.seconds < self._age.seconds:
            return cache_pb2.LookupResponse(missed=cache_pb2.Missed(reason=cache_pb2.Missed.REASON_TOO_OLD))
        hit = job_pb2.CacheHit(tier=job_pb2.CACHE_MODE_EXACT, similarity=1, age=self._age, served_stale=is_stale)
        return cache_pb2.LookupResponse(found=cache_pb2.Found(answer=self._answer, hit=hit))


def fresh(max_age_s: int) -> job_pb2.GenerationRequest:
    policy = job_pb2.CachePolicy(mode=job_pb2.CACHE_MODE_EXACT, max_age=duration_pb2.Duration(seconds=max_age_s))
    return asking(cache=policy)


async def served(pair: Harness, request: job_pb2.GenerationRequest, *, stale_within_s: int) -> list[event_pb2.JobEvent]:
    pair.with_settings(
        '[models.default]\nroutes = [{ provider = "mock", model = "m" }]\n'
        f"last_resort = {{ stale_within_s = {stale_within_s} }}\n"
    )
    shelf = Shelf("What was said before.", age_s=100)
    add = cache_pb2_grpc.add_CacheServiceServicer_to_server
    async with (
        serving("weft.cache.v1.CacheService", add, shelf) as target,
        pair.routing(cache_target=target, max_attempts=2),
    ):
        return await pair.events(await pair.submit(request))


async def test_a_stored_answer_is_served_when_every_provider_failed(pair: Harness, mock: MockProvider) -> None:
    mock.play(Script(status=500), Script(text="One two three.", fault=Fault.RESET, at_token=2))
    events = await served(pair, fresh(max_age_s=200), stale_within_s=0)

    done = events[-1].done
    assert (done.state, done.answer.text) == (job_pb2.JOB_STATE_SUCCEEDED, text_of(events))
    assert done.answer.text == "What was said before."
    assert (done.cache_hit.age.seconds, done.cache_hit.served_stale) == (100, False)
    assert len(done.attempts) == 2


@pytest.mark.parametrize(("stale_within_s", "is_served"), [(150, True), (60, False), (0, False)])
async def test_a_stale_answer_is_served_within_its_bound_and_says_so(
    pair: Harness,
    mock: MockProvider,
    stale_within_s: int,
    is_served: bool,  # noqa: FBT001
) -> None:
    mock.play(Script(status=500))
    done = (await served(pair, fresh(max_age_s=10), stale_within_s=stale_within_s))[-1].done

    assert done.cache_hit.served_stale is is_served
    assert (done.state == job_pb2.JOB_STATE_SUCCEEDED) is is_served
    assert is_served or done.error.reason == error_pb2.ERROR_REASON_ATTEMPTS_EXHAUSTED
    assert len(done.attempts) == 2


@pytest.mark.parametrize("age_s", [100, 300], ids=["there is one", "there is none"])
async def test_in_an_outage_the_last_resort_is_taken_before_anybody_waits(
    pair: Harness, mock: MockProvider, age_s: int
) -> None:
    mock.play(Script(status=503), Script(text="From the provider."))
    pair.with_settings(
        '[models.default]\nroutes = [{ provider = "mock", model = "m" }]\nlast_resort = {}\n'
        "[breaker]\nminimum_calls = 1\nopen_s = 0.3\n"
    )
    shelf = Shelf("What was said before.", age_s)
    add = cache_pb2_grpc.add_CacheServiceServicer_to_server
    async with (
        serving("weft.cache.v1.CacheService", add, shelf) as target,
        pair.routing(cache_target=target),
    ):
        done = await pair.done(await pair.submit(fresh(max_age_s=200)))

    assert done.state == job_pb2.JOB_STATE_SUCCEEDED
    assert done.answer.text == ("What was said before." if age_s == 100 else "From the provider.")


async def test_a_request_that_wants_no_cache_is_served_nothing_from_it(pair: Harness, mock: MockProvider) -> None:
    mock.play(Script(status=500))
    request = asking(cache=job_pb2.CachePolicy(mode=job_pb2.CACHE_MODE_OFF))
    done = (await served(pair, request, stale_within_s=1000))[-1].done

    assert done.state == job_pb2.JOB_STATE_FAILED


async def test_a_stored_answer_off_the_form_asked_for_is_not_served(pair: Harness, mock: MockProvider) -> None:
    mock.play(Script(status=500))
    request = fresh(max_age_s=200)
    request.response_format.json_object.SetInParent()
    done = (await served(pair, request, stale_within_s=0))[-1].done

    assert done.state == job_pb2.JOB_STATE_FAILED
    assert not done.HasField("cache_hit")
