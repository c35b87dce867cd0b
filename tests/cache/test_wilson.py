"""What a counted share tells of the true one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft_cache.wilson import share


@pytest.mark.parametrize(
    ("counted", "sample", "low", "high"),
    # R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_is_wilsons(counted, sample, low, high):
    found = share(counted, sample)
    assert found.rate == pytest.approx(counted / sample)
    assert (found.low, found.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_of_nothing_nothing_is_known():
    assert (share(0, 0).low, share(0, 0).high) == (0, 1)


samples = st.integers(1, 5000).flatmap(lambda sample: st.tuples(st.integers(0, sample), st.just(sample)))


@given(samples)
def test_the_interval_holds_the_rate_and_stays_a_share(counts):
    found = share(*counts)
    assert 0 <= found.low <= found.rate + 1e-12
    assert found.rate - 1e-12 <= found.high <= 1


@given(samples)
def test_more_of_the_same_says_it_more_surely(counts):
    counted, sample = counts
    less, more = share(counted, sample), share(10 * counted, 10 * sample)
    assert more.high - more.low < less.high - less.low
