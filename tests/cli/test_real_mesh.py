"""The command line against a real gateway and router: what people see of budgets, providers and attempts."""

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from tests.cli.environment import Environment, running
from tests.support.waiting import until

from weft.common.v1 import error_pb2
from weft.gateway.v1 import gateway_pb2
from weft.job.v1 import job_pb2
from weft_cli.views.answer import drain
from weft_client import SpentBudget, WeftClient, chat
from weft_client.budgets import micros_left, tokens_left
from weft_kit.joblog import JobLog
from weft_kit.rpc.errors import WeftError
from weft_kit.spending import SpendingAccount, day_of

PNG = b"\x89PNG\r\n\x1a\n and so on"


@pytest.fixture
async def environment(
    tmp_path: Path, joblog: JobLog, nats_url: str, postgres_url: str, redis_url: str
) -> AsyncIterator[Environment]:
    async with running(tmp_path, joblog.config, nats_url, postgres_url, redis_url) as environment:
        yield environment


def lines(out: str) -> list[str]:
    return [" ".join(line.split()) for line in out.splitlines()]


def at(shown: list[str], beginning: str) -> int:
    """Returns the number of the line that begins so."""
    return next(number for number, line in enumerate(shown) if line.startswith(beginning))


async def spend(redis_url: str, account: SpendingAccount, micros: int) -> None:
    """Does what a router does with a call that was settled."""
    async with Redis.from_url(redis_url) as redis:
        await redis.hincrby(account.day(day_of(time.time())), "spent", micros)


async def usage_once_booked(weft: WeftClient) -> gateway_pb2.GetUsageResponse:
    """Returns what was spent once routers have told, which they do on their own time."""

    async def look() -> gateway_pb2.GetUsageResponse | None:
        usage = await weft.usage()
        return usage if usage.key.micros_today and not usage.key.micros_held else None

    return await until("what was spent is booked", look)


async def test_the_operator_sees_what_was_done_with_the_token(environment):
    _, secret, _ = await environment.weft_as_operator("keys", "create", "--tenant", environment.tenant)
    key_id = secret.split("_")[1]
    code, out, _ = await environment.weft_as_operator(
        "audit", "--tenant", environment.tenant, "--limit", "10", "--json"
    )
    assert code == 0
    made = [event for event in json.loads(out) if event.get("key_id") == key_id]
    assert [(event["method"], event["code"]) for event in made] == [("/weft.gateway.v1.KeyService/CreateKey", "OK")]
    _, out, _ = await environment.weft_as_operator("audit")
    assert key_id in out
    assert secret.strip() not in out


async def test_a_keys_budget_is_set_listed_and_seen_by_its_owner(environment):
    budget = ("--tokens-per-minute", "5000", "--money-per-day", "2.50")
    code, secret, _ = await environment.weft_as_operator("keys", "create", "--tenant", environment.tenant, *budget)
    assert code == 0
    _, listed, _ = await environment.weft_as_operator("keys", "list", "--tenant", environment.tenant)
    assert lines(listed)[1].endswith("default 5,000 2.50")
    _, usage, _ = await environment.weft("--key", secret.strip(), "usage")
    tenant, key = lines(usage)[1:3]
    assert tenant == "tenant 0 of 90,000 90,000 0.00 of 50.00 0.00 50.00"
    assert key == "this key 0 of 5,000 5,000 0.00 of 2.50 0.00 2.50"


async def test_what_a_job_cost_is_in_its_record_and_in_the_usage(environment):
    code, answer, _ = await environment.weft("ask", "Who keeps the light?", "--max-tokens", "8")
    assert code == 0
    async with environment.client() as weft:
        [job] = [await weft.job(line.split()[1]) for line in lines(answer) if line.startswith("job ")]
        usage = await usage_once_booked(weft)
    cost = job.total_cost.micros / 1e6
    assert cost > 0
    assert f"cost {cost:g} EUR" in lines(answer)
    assert usage.tenant.micros_today == usage.key.micros_today == job.total_cost.micros
    assert tokens_left(usage.tenant) == 90_000 - usage.tenant.tokens_last_minute
    assert micros_left(usage.tenant) == 50_000_000 - job.total_cost.micros
    assert tokens_left(usage.key) is None


async def test_a_spent_budget_is_refused_with_the_numbers_and_the_next_step(environment, redis_url):
    await spend(redis_url, SpendingAccount(environment.tenant), 50_000_000)
    code, _, err = await environment.weft("ask", "Who keeps the light?", "--timeout-s", "1")
    assert code == 1
    assert err.count("\n") == 1
    assert "QUOTA_EXCEEDED" in err
    assert "`weft usage` shows what is left (try again in " in err
    async with environment.client() as weft:
        with pytest.raises(WeftError) as refused:
            await weft.submit(chat("Who keeps the light?", timeout_s=1))
    spent = SpentBudget.of(refused.value)
    assert spent is not None
    assert (spent.budget, spent.account, spent.limit, spent.spent) == (
        "micros_per_day",
        "tenant",
        50_000_000,
        50_000_000,
    )
    assert 0 < spent.wait_s <= 86_400


async def test_other_refusals_are_about_no_budget(environment):
    async with environment.client() as weft:
        with pytest.raises(WeftError) as refused:
            await weft.submit(chat("Who keeps the light?", model="no-such"))
    assert SpentBudget.of(refused.value) is None


async def test_providers_are_shown_with_speed_calls_errors_and_cost(environment):
    async with environment.client() as weft:
        await drain(weft.generate("Who keeps the light?", model="shaky", max_tokens=8))
        await usage_once_booked(weft)
    code, out, _ = await environment.weft("providers")
    _, document, _ = await environment.weft("providers", "list", "--model", "default", "--json")
    assert code == 0
    quick, slow, gone, failures, unpriced = lines(out)[2:]
    assert quick.startswith("quick HEALTHY ")
    assert float(quick.split()[-1]) > 0
    assert slow == "slow not asked yet 0 0.00"
    assert gone.startswith("gone DEGRADED 1 1 0.00")
    assert failures.startswith("gone (openai) failed: 1 PROVIDER_UNREACHABLE; last at ")
    assert failures.endswith(": PROVIDER_UNREACHABLE")
    assert unpriced.startswith("gone: no price for g, so budgets count it as 0")
    assert [one["name"] for one in json.loads(document)] == ["quick"]


async def test_a_check_of_providers_says_what_to_do_and_fails_when_one_does(environment):
    code, out, _ = await environment.weft_as_operator("providers", "check")
    assert code == 1
    quick, slow, gone = lines(out)[1:4]
    assert quick.startswith("✓ quick openai ")
    assert slow.startswith("✓ slow openai ")
    assert gone.startswith("✗ gone openai ")
    assert "PROVIDER_UNREACHABLE" in gone
    code, out, _ = await environment.weft_as_operator("providers", "check", "quick", "slow")
    assert (code, len(lines(out))) == (0, 3)


async def test_a_check_of_providers_needs_the_operators_token(environment):
    code, _, err = await environment.weft("providers", "check")
    assert code == 1
    assert "pass --operator-token or set WEFT_OPERATOR_TOKEN" in err


async def test_a_record_tells_every_attempt_with_its_reason_and_its_end(environment):
    code, out, _ = await environment.weft("ask", "Who keeps the light?", "--model", "shaky", "--max-tokens", "8")
    assert code == 0
    shown = lines(out)
    first, second = (
        at(shown, f"attempt {said} · router 127.0.0.1:") for said in ("1 gone (g) · FAILED", "2 quick (q) · SUCCEEDED")
    )
    assert shown[first + 1].startswith("began after ")
    assert any(line.startswith("PROVIDER_UNREACHABLE: ") for line in shown[first:second])
    assert " · first token " in shown[second + 1]
    assert shown[second + 2].endswith(" EUR")


async def test_several_providers_are_asked_at_once_and_the_loser_is_on_record(environment):
    _, out, _ = await environment.weft("ask", "Who keeps the light?", "--model", "both", "--first-of", "2", "--json")
    attempts = {one["provider"]: one for one in json.loads(out)["attempts"]}
    assert attempts["quick"]["result"] == "RESULT_SUCCEEDED"
    assert attempts["slow"]["result"] == "RESULT_LOST_RACE"


async def test_the_preferred_region_is_asked_first(environment):
    async with environment.client() as weft:
        request = chat("Who keeps the light?", model="both", first_of=1, prefer_region="us", max_tokens=4)
        job = await weft.wait((await weft.submit(request)).job_id, 30)
    assert [attempt.provider for attempt in job.attempts] == ["slow"]


async def test_a_draft_is_shown_until_the_answer_begins(environment):
    code, out, _ = await environment.weft("ask", "Who keeps the light?", "--model", "careful", "--draft")
    assert code == 0
    assert "characters withdrawn, starting over]" in out
    assert "quick (q) · REPLACED" in out
    assert "slow (s) · SUCCEEDED" in out


async def test_a_request_brings_its_own_patience(environment):
    async with environment.client() as weft:
        request = chat("Who keeps the light?", model="careful", first_token_s=0.1, timeout_s=10, max_tokens=4)
        job = await weft.wait((await weft.submit(request)).job_id, 30)
    assert job.state == job_pb2.JOB_STATE_FAILED
    assert {attempt.error.reason for attempt in job.attempts} == {error_pb2.ERROR_REASON_PROVIDER_TIMEOUT}


async def test_a_picture_reaches_the_provider(environment, tmp_path):
    (tmp_path / "light.png").write_bytes(PNG)
    address = "https://pictures.example/light.jpg"
    images = ("--image", str(tmp_path / "light.png"), "--image", address)
    code, _, err = await environment.weft("ask", "What is this?", *images, "--max-tokens", "4", "--quiet")
    assert (code, err) == (0, "")
    asked = await environment.quick.next_request()
    text, data, link = asked.messages[-1]["content"]
    assert text["text"] == "What is this?"
    assert data["image_url"]["url"].startswith("data:image/png;base64,")
    assert link["image_url"]["url"] == address
