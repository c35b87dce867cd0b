"""What the tokenizer has no tokens for: the embedder says what and how much, the verifier takes it at its word."""

import pytest
import pytest_asyncio
from tests.inference.calling import calling, on_a_free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANOTHER = [
    ("what does 🍎 mean", "what does 🚗 mean"),
    ("solve ∑ for x", "solve ∮ for x"),
    ("how do i say เปิด in english", "how do i say ปิด in english"),
    ("如何打开通知", "如何关闭通知"),
    (f"decode {'a' * 120} please", f"decode {'b' * 120} please"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client():
    async with calling(on_a_free_port(engine="echo")) as client:
        yield client


async def _embedded(client, *texts):
    return (await client.embed(*texts)).embeddings


@pytest.mark.parametrize(("one", "other"), ANOTHER)
async def test_texts_that_differ_only_where_tokens_are_unknown_say_so(client, one, other):
    first, second, again = await _embedded(client, one, other, one)
    assert first.unread
    assert first.unread != second.unread
    assert first.unread == again.unread


async def test_the_share_of_unknown_tokens_is_told(client):
    known, half, none = await _embedded(client, "how do i reset it", "apple 🍎", "🍎🍎 🚗")
    assert (known.unread_share, known.unread) == (0, b"")
    assert half.unread_share == 0.5
    assert none.unread_share == 1


@pytest.mark.parametrize("text", ["Можно ли принимать это лекарство", "सूचनाएं कैसे चालू करें", "كيف أفتح حسابا"])
async def test_words_that_are_only_spelt_are_not_read(client, text):
    [embedding] = await _embedded(client, text)
    assert embedding.unread_share > 0.8


@pytest.mark.parametrize("text", ["Où est le café Châtelet, s'il vous plaît ?", "naïve Übergröße 3 kg", "x² + y²"])
async def test_words_in_known_letters_are_read(client, text):
    [embedding] = await _embedded(client, text)
    assert embedding.unread_share < 0.3


@pytest.mark.parametrize(("one", "other"), ANOTHER)
async def test_a_pair_that_differs_where_tokens_are_unknown_is_not_the_same(client, one, other):
    differs, equal = (await client.compare(one, other, one)).comparisons
    assert (differs.confidence, differs.truncated) == (0, False)
    assert equal.confidence > 0


async def test_the_same_unknown_tokens_in_another_order_are_not_the_same(client):
    [compared] = (await client.compare("is 🍎 larger than 🚗", "is 🚗 larger than 🍎")).comparisons
    assert compared.confidence == 0
