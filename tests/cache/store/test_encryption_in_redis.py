"""What lies in Redis when there is a key, and who can still read it."""

import base64
import os

import pytest
from redis.asyncio import Redis
from tests.support.waiting import until

from weft.cache.v1 import cache_pb2 as pb
from weft_cache.partition import address

SECRET = "Which of our customers is Zanzibar Holdings?"
SPACED = "Which of our customers  is Zanzibar Holdings?"
ANSWER = "The one with account 4711."


def new_key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


@pytest.fixture
def sealing(serving, redis_url, inference_target):
    """A cache with these keys."""

    def serve(*keys: str):
        return serving(redis_url=redis_url, inference_target=inference_target, encryption_keys=",".join(keys))

    return serve


async def values(redis_url: str, where) -> list[bytes]:
    async with Redis.from_url(redis_url) as redis:
        [key] = [key async for key in redis.scan_iter(f"weft:cache:answer:{where.tenant}:*")]
        return list((await redis.hgetall(key)).values())


async def test_neither_question_nor_answer_lies_open(sealing, redis_url, generation, finished):
    async with sealing(new_key()) as client:
        await client.store(generation(SECRET), finished(ANSWER))
        stored = await values(redis_url, address(client.tenant, generation(SECRET), 0))
    for secret in (b"Zanzibar", b"4711"):
        assert not any(secret in value for value in stored)


async def test_without_a_key_both_do(sealing, redis_url, generation, finished):
    async with sealing() as client:
        await client.store(generation(SECRET), finished(ANSWER))
        stored = b"".join(await values(redis_url, address(client.tenant, generation(SECRET), 0)))
    assert b"Zanzibar" in stored
    assert b"4711" in stored


async def answered(client, request) -> pb.Found | None:
    looked_up = await client.lookup(request)
    return looked_up if isinstance(looked_up, pb.Found) else None


async def test_sealed_answers_are_found_as_ever(sealing, generation, finished):
    async with sealing(new_key()) as client:
        await client.store(generation(SECRET), finished(ANSWER))
        for text in (SECRET, SPACED):
            # Vectors are indexed beside the write.
            found = await until(f"{text!r} is answered", lambda text=text: answered(client, generation(text)))
            assert found.answer.text == ANSWER


async def test_keys_rotate_without_losing_what_is_stored(sealing, generation, finished):
    old, new = new_key(), new_key()
    async with sealing(old) as client:
        await client.store(generation(SECRET), finished(ANSWER))
    async with sealing(new, old) as client:
        assert (await client.lookup(generation(SECRET))).answer.text == ANSWER
        await client.store(generation(SECRET), finished(ANSWER))
    async with sealing(new) as client:
        assert (await client.lookup(generation(SECRET))).answer.text == ANSWER


@pytest.mark.parametrize("keys", [(), (new_key(),)], ids=["no key", "a wrong key"])
async def test_without_the_right_key_it_is_a_miss_and_no_error(sealing, generation, finished, keys):
    async with sealing(new_key()) as client:
        await client.store(generation(SECRET), finished(ANSWER))
    async with sealing(*keys) as client:
        for text in (SECRET, SPACED):
            assert isinstance(await client.lookup(generation(text)), pb.Missed)


async def test_an_answer_planted_among_sealed_ones_is_not_believed(sealing, redis_url, generation, finished):
    async with sealing() as client:
        await client.store(generation(SECRET), finished("Planted."))
    async with sealing(new_key()) as client:
        assert isinstance(await client.lookup(generation(SECRET)), pb.Missed)
