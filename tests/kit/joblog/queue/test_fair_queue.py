"""Whose turn it is: a rule, so these tests need no log."""

from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from weft_kit.joblog.queue.fair_queue import QUANTUM_TOKENS, FairQueue


def served(turns: FairQueue, jobs: dict[str, Sequence[int]], count: int) -> list[str]:
    """Serves `count` jobs; the lists hold what the jobs of each lane cost."""
    left = {lane: list(costs) for lane, costs in jobs.items()}
    order: list[str] = []
    for lane in jobs:
        turns.join(lane)
    for _ in range(count):
        lane = turns.next([lane for lane, costs in left.items() if costs])
        turns.charge(lane, left[lane].pop(0))
        order.append(lane)
    return order


def tokens(order: list[str], jobs: dict[str, Sequence[int]]) -> Counter[str]:
    seen: Counter[str] = Counter()
    spent: Counter[str] = Counter()
    for lane in order:
        spent[lane] += jobs[lane][seen[lane]]
        seen[lane] += 1
    return spent


def equal(_lane: str) -> float:
    return 1.0


def test_a_lane_alone_is_always_next() -> None:
    assert served(FairQueue(equal), {"n-a": [50_000] * 5}, 5) == ["n-a"] * 5


def test_a_newcomer_waits_for_less_than_a_round() -> None:
    turns = FairQueue(equal)
    served(turns, {"n-a": [1_000] * 10_000}, 5_000)
    order = served(turns, {"n-a": [1_000] * 10_000, "n-b": [1_000]}, 4)
    assert "n-b" in order[:3]


def test_tokens_are_shared_not_jobs() -> None:
    jobs = {"n-a": [4_000] * 1_000, "n-b": [500] * 8_000}
    spent = tokens(served(FairQueue(equal), jobs, 4_000), jobs)
    assert 0.95 < spent["n-a"] / spent["n-b"] < 1.05


def test_weights_are_kept() -> None:
    jobs = {"n-a": [1_000] * 4_000, "n-b": [1_000] * 4_000}
    spent = tokens(served(FairQueue(lambda lane: 3.0 if lane == "n-a" else 1.0), jobs, 2_000), jobs)
    assert 2.9 < spent["n-a"] / spent["n-b"] < 3.1


def test_what_was_charged_too_much_is_given_back() -> None:
    jobs = {"n-a": [10_000] * 400, "n-b": [1_000] * 400}
    turns, order = FairQueue(equal), []
    left = {lane: list(costs) for lane, costs in jobs.items()}
    for _ in range(200):
        lane = turns.next([lane for lane, costs in left.items() if costs])
        turns.charge(lane, left[lane].pop(0))
        if lane == "n-a":
            turns.charge(lane, 1_000 - 10_000)  # it was expected to take ten times what it took
        order.append(lane)
    assert 90 <= order.count("n-a") <= 110


def test_silence_saves_nothing_up() -> None:
    turns = FairQueue(equal)
    both = {"n-a": [1_000] * 2_000, "n-b": [1_000] * 2_000}
    served(turns, both, 10)
    served(turns, {"n-a": [1_000] * 2_000}, 1_000)
    order = served(turns, both, 20)
    assert 9 <= order.count("n-b") <= 11


@given(
    st.dictionaries(
        st.sampled_from([f"n-{name}" for name in "abcdef"]),
        st.lists(st.integers(1, 20_000), min_size=60, max_size=60),
        min_size=2,
        max_size=6,
    )
)
def test_no_lane_that_waits_falls_behind_by_more_than_a_job_and_a_round(jobs: dict[str, list[int]]) -> None:
    order = served(FairQueue(equal), jobs, 50)
    spent = tokens(order, jobs)
    largest = max(max(costs) for costs in jobs.values())
    shares = [spent[lane] for lane in jobs]
    assert max(shares) - min(shares) <= 2 * (largest + QUANTUM_TOKENS)
