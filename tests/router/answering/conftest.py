"""Harnesses whose catalogs have one provider asked beside another, or after it."""

import pytest
from tests.router.answering.races import AT_ONCE, DRAFTED, ESCALATING, HEDGED
from tests.router.harness import Harness


@pytest.fixture
def hedged(pair: Harness) -> Harness:
    """Asks the second provider where the first has no token after 50 ms."""
    pair.with_settings(HEDGED)
    return pair


@pytest.fixture
def at_once(pair: Harness) -> Harness:
    """Asks both providers at once."""
    pair.with_settings(AT_ONCE)
    return pair


@pytest.fixture
def drafted(pair: Harness) -> Harness:
    """Has the first provider draft what the second answers, where a job asks for it."""
    pair.with_settings(DRAFTED)
    return pair


@pytest.fixture
def escalating(pair: Harness) -> Harness:
    """Asks the second provider where the answer of the first is short or a refusal."""
    pair.with_settings(ESCALATING)
    return pair
