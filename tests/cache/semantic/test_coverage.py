"""Questions that embedder and verifier were not made for: the exact tier answers them, the semantic tier does not."""

import asyncio

import pytest
from prometheus_client import REGISTRY

from weft.cache.v1 import cache_pb2 as pb
from weft.job.v1 import job_pb2
from weft_cache.config import Config
from weft_cache.semantic.coverage import Coverage
from weft_kit.rpc.errors import CannotStart

SEMANTIC = job_pb2.CachePolicy(mode=job_pb2.CACHE_MODE_SEMANTIC)
FOREIGN = {
    "Chinese polarity": ("如何打开通知", "如何关闭通知"),
    "Chinese, unrelated": ("明天天气怎么样", "怎么修理自行车"),
    "Japanese entity": ("フランスの首都はどこですか", "ドイツの首都はどこですか"),
    "Korean polarity": ("알림을 켜는 방법은", "알림을 끄는 방법은"),
    "Russian entity": ("Какая столица Франции?", "Какая столица Германии?"),
    "Arabic polarity": ("كيف أفتح حسابا؟", "كيف أغلق حسابا؟"),
    "Thai polarity": ("เปิดการแจ้งเตือนอย่างไร", "ปิดการแจ้งเตือนอย่างไร"),
    "German, lower case": ("was kostet ein brief nach frankreich", "was kostet ein brief nach schweden"),
    "French without accents": ("recette de gateau avec sucre", "recette de gateau sans sucre"),
    "Spanish polarity": ("¿Cómo activo las notificaciones?", "¿Cómo desactivo las notificaciones?"),
    "emoji": ("🍎🍎🍎", "🚗🚗"),
    "symbols": ("∑ x²", "∮ y³"),
}
MIXED = {
    "emoji in English": ("What does 🍎 mean in a text message?", "What does 🚗 mean in a text message?"),
    "Thai word in English": ("How do you say เปิด in English?", "How do you say ปิด in English?"),
    "Chinese word in English": ("What does 打开 mean in English?", "What does 关闭 mean in English?"),
    "Cyrillic word in English": ("What does the word да mean?", "What does the word нет mean?"),
    "German sentence in English": (
        "Translate this into English: Wie schalte ich Benachrichtigungen ein?",
        "Translate this into English: Wie schalte ich Benachrichtigungen aus?",
    ),
}


@pytest.fixture(autouse=True)
async def _searched_before(client, generation):
    """The first search makes the index; what was stored before it is found a little later."""
    await client.lookup(generation("Is anything here?", cache=SEMANTIC))


@pytest.mark.parametrize(("stored", "asked"), [*FOREIGN.values(), *MIXED.values()], ids=[*FOREIGN, *MIXED])
async def test_what_cannot_be_compared_is_served_to_itself_alone(client, generation, finished, stored, asked):
    await client.store(generation(stored, cache=SEMANTIC), finished(stored))
    found = await client.lookup(generation(asked, cache=SEMANTIC))
    assert isinstance(found, pb.Missed)
    assert found.reason == pb.Missed.REASON_NOT_STORED
    assert found.best_similarity < 1
    assert (await client.lookup(generation(stored, cache=SEMANTIC))).hit.tier == job_pb2.CACHE_MODE_EXACT


async def test_it_stands_among_others_and_is_no_rival_to_any(client, generation, finished):
    texts = [text for pair in (*FOREIGN.values(), *MIXED.values()) for text in pair]
    await asyncio.gather(*(client.store(generation(text, cache=SEMANTIC), finished(text)) for text in texts))
    await client.store(generation("How do I turn on dark mode?", cache=SEMANTIC), finished("Settings."))
    found = await client.lookup(generation("How do I enable dark mode?", cache=SEMANTIC))
    assert found.answer.text == "Settings."


async def test_a_paraphrase_with_the_same_unread_text_is_served(client, generation, finished):
    await client.store(generation("What does 🍎 mean in a text message?", cache=SEMANTIC), finished("Apple."))
    found = await client.lookup(generation("what does 🍎 mean in a text message", cache=SEMANTIC))
    assert found.answer.text == "Apple."


async def test_the_reason_is_counted(client, generation):
    def counted(reason):
        return REGISTRY.get_sample_value("weft_cache_lookups_total", {"outcome": reason}) or 0

    before = counted("language")
    await client.lookup(generation("Wie schalte ich Benachrichtigungen ein?", cache=SEMANTIC))
    assert counted("language") == before + 1


async def test_all_languages_may_be_covered_and_what_is_unread_still_stands_apart(
    serving, redis_url, inference_target, generation, finished
):
    async with serving(redis_url=redis_url, inference_target=inference_target, languages="*") as client:
        await client.lookup(generation("Is anything here?", cache=SEMANTIC))
        await client.store(generation("Wo ist der Bahnhof bitte?", cache=SEMANTIC), finished("There."))
        found = await client.lookup(generation("wo ist der bahnhof bitte", cache=SEMANTIC))
        assert found.answer.text == "There."
        await client.store(generation("如何打开通知", cache=SEMANTIC), finished())
        found = await client.lookup(generation("如何关闭通知", cache=SEMANTIC))
        assert (found.reason, found.best_similarity) == (pb.Missed.REASON_NOT_STORED, 0)


def test_a_language_that_cannot_be_told_is_refused_by_name():
    with pytest.raises(CannotStart, match="qq"):
        Coverage.of("en,qq")


@pytest.mark.parametrize("setting", ["", ",", "en,,de"])
def test_a_setting_without_codes_is_refused(setting):
    with pytest.raises(ValueError, match="separated by commas"):
        Config(languages=setting)


def test_letters_of_other_scripts_are_compared_as_written_unless_a_language_is_written_in_them():
    question = "What does Привет mean, and ｃａｆé?"
    assert Coverage(["en"]).foreign_letters(question) == "Привет"
    assert Coverage(["en", "ru"]).foreign_letters(question) == ""
    assert Coverage(["*"]).foreign_letters(question) == ""
