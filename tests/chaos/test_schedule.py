"""The plan of a run follows from its seed, and leaves nothing out."""

from collections import Counter, defaultdict

import pytest
from tests.chaos.environment import LINKS, PARTS
from tests.chaos.orders import FLAVOURS, TENANTS, Way, draw_orders
from tests.chaos.schedule import LENGTHS_S, TREATMENTS, Action, draw_schedule

from weft.job.v1 import job_pb2
from weft_kit.joblog import LogConfig

SEEDS = range(1, 6)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seed_is_always_the_same_run(seed: int) -> None:
    assert draw_schedule(seed, 130) == draw_schedule(seed, 130)
    assert draw_orders(seed, 300, 130) == draw_orders(seed, 300, 130)


def test_another_seed_is_another_run() -> None:
    assert draw_schedule(1, 130) != draw_schedule(2, 130)
    assert draw_orders(1, 300, 130) != draw_orders(2, 300, 130)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_treatment_is_dealt_within_the_run(seed: int) -> None:
    schedule = draw_schedule(seed, 130)
    dealt = Counter((blow.part, blow.action) for blow in schedule)
    assert dealt >= Counter((part, action) for part, actions in TREATMENTS.items() for action in actions)
    assert [blow.at_s for blow in schedule] == sorted(blow.at_s for blow in schedule)
    assert 0 <= schedule[0].at_s <= schedule[-1].at_s <= 130


@pytest.mark.parametrize("seed", SEEDS)
def test_a_full_run_has_a_moment_at_which_every_process_is_killed(seed: int) -> None:
    kills = defaultdict(set)
    for blow in draw_schedule(seed, 130):
        if blow.action is Action.KILL:
            kills[blow.at_s].add(blow.part)
    assert set(PARTS) in kills.values()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_shorter_run_still_hits_every_part(seed: int) -> None:
    assert {blow.part for blow in draw_schedule(seed, 60, most=len(TREATMENTS))} == TREATMENTS.keys()


def test_everything_on_the_stage_is_treated() -> None:
    assert {*PARTS, *LINKS} == TREATMENTS.keys()


def test_the_buried_are_given_up_and_the_frozen_are_not() -> None:
    ack_wait_s = LogConfig().ack_wait_s
    assert LENGTHS_S[Action.FREEZE][1] < ack_wait_s < LENGTHS_S[Action.BURY][0]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_has_orders_of_every_kind(seed: int) -> None:
    orders = draw_orders(seed, 2000, 130)
    assert len({order.request_id for order in orders}) == 2000
    assert {order.way for order in orders} == set(Way)
    assert {order.tenant for order in orders} == set(TENANTS)
    assert {order.flavour for order in orders} == set(FLAVOURS)
    assert len({order.priority for order in orders}) == 3
    for twist in ("again_after_s", "other_body_after_s", "cancel_after_s", "timeout_s", "webhook"):
        assert any(getattr(order, twist) for order in orders), twist
    assert any(order.at_once > 1 for order in orders)


def test_a_batch_is_of_one_tenant_and_one_moment() -> None:
    batches = [order for order in draw_orders(1, 2000, 130) if order.batch]
    assert batches
    for number in {order.batch for order in batches}:
        assert len({(order.tenant, order.at_s) for order in batches if order.batch == number}) == 1


def test_the_same_order_asks_the_same() -> None:
    """A repeat must carry the same body, or it would be a conflict."""
    for order in draw_orders(1, 300, 130):
        once, twice = order.request("http://127.0.0.1:1/done"), order.request("http://127.0.0.1:1/done")
        assert once.SerializeToString(deterministic=True) == twice.SerializeToString(deterministic=True)
        assert once.priority != job_pb2.PRIORITY_UNSPECIFIED
