"""Places shared between tenants: who gets how many, and who is next."""

import asyncio

from weft_retrieval.fair_share import FairShare


async def test_a_tenant_alone_gets_half_and_leaves_half_of_the_rest():
    share = FairShare(8)
    assert [share.try_take("a") for _ in range(5)] == [True] * 4 + [False]
    assert [share.try_take("b") for _ in range(3)] == [True] * 2 + [False]
    assert [share.try_take("c") for _ in range(2)] == [True, False]
    assert [share.try_take("d") for _ in range(2)] == [True, False]
    assert not share.try_take("e")


async def test_turns_go_by_tenant():
    share = FairShare(2)
    await share.take("x")
    await share.take("y")
    order: list[str] = []

    async def work(tenant: str) -> None:
        await share.take(tenant)
        order.append(tenant)

    tasks = [asyncio.create_task(work(tenant)) for tenant in ("a", "a", "a", "b")]
    await asyncio.sleep(0)
    assert share.waiting == 4
    share.give_back("x")
    await asyncio.sleep(0)
    share.give_back("y")
    share.give_back("a")
    await asyncio.gather(*tasks[:1], tasks[3])
    assert order[:2] == ["a", "b"]
    for task in tasks:
        task.cancel()


async def test_who_leaves_the_line_leaves_no_place_taken():
    share = FairShare(2)
    await share.take("a")
    waiting = [asyncio.create_task(share.take("a")) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    share.give_back("a")
    await waiting[1]
    share.give_back("a")
    given = asyncio.create_task(share.take("a"))
    await given
    assert share.waiting == 0
    share.give_back("a")
    assert share.try_take("b", 2)


async def test_one_that_was_handed_a_place_as_it_left_gives_it_back():
    share = FairShare(2)
    await share.take("a")
    waiting = asyncio.create_task(share.take("a"))
    await asyncio.sleep(0)
    share.give_back("a")
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert share.try_take("b", 2)
