"""Languages of short texts: English is known as such, other languages are never taken for it."""

import pytest

from weft_kit.languages import is_all_in, language_of

ENGLISH = [
    "How do I change the address on my account?",
    "how do i change teh adress on my acount",
    "WHY WAS MY CARD DECLINED",
    "play music",
    "what's the weather",
    "Who is the prime minister of Japan?",
    "Why does my_list.append(x) return None in Python?",
    "What does the German word Schadenfreude mean?",
    "can you recommend a café near me",
]
OTHERS = {
    "de": "was kostet ein brief nach schweden",
    "fr": "recette de gateau avec sucre",
    "es": "como activo las notificaciones",
    "it": "Come posso aprire un conto corrente?",
    "nl": "Hoe zet ik meldingen aan?",
    "pl": "Jak włączyć powiadomienia?",
    "pt": "Como desligar as notificações?",
    "sv": "Hur slår jag på aviseringar?",
    "tr": "Bildirimleri nasıl açarım?",  # noqa: RUF001
    "vi": "Làm sao để bật thông báo?",
    "ro": "Cum pot să deschid un cont nou?",
    "ru": "Какая столица Франции?",
    "uk": "Як увімкнути сповіщення?",
    "el": "Πώς ανοίγω λογαριασμό;",
    "ar": "كيف أفتح حسابا؟",
    "he": "איך לפתוח חשבון?",
    "hi": "सूचनाएं कैसे चालू करें?",
    "th": "เปิดการแจ้งเตือนอย่างไร",
    "zh": "如何打开通知",
    "ja": "通知をオンにする方法は",
    "ko": "알림을 켜는 방법은?",
}


@pytest.mark.parametrize("text", ENGLISH)
def test_english_is_known_however_it_is_typed(text: str) -> None:
    assert language_of(text) == "en"


@pytest.mark.parametrize(("language", "text"), OTHERS.items())
def test_a_question_in_another_language_is_known_as_such(language: str, text: str) -> None:
    assert language_of(text) == language


@pytest.mark.parametrize("text", ["", "  \n", "12 + 30 = ?", "🍎🍎🍎", "∑ ∫ ≠", "== / ==="])
def test_what_has_no_word_has_no_language(text: str) -> None:
    assert language_of(text) is None


def test_only_the_beginning_of_a_text_is_read() -> None:
    beginning = "How do I change the address on my account? " * 20
    assert language_of(beginning + "Wie ändere ich meine Anschrift? " * 100_000) == "en"


def test_half_a_surrogate_pair_is_no_fault() -> None:
    assert language_of("How do I change the address \ud83d on my account?") == "en"


MIXED = [
    "Translate this into English: Wie schalte ich Benachrichtigungen ein?",
    'How do I say "où est la gare la plus proche" in English?',
    "I got this message and do not understand it. como activo las notificaciones",
    "What does this mean (jak włączyć powiadomienia)?",
]


@pytest.mark.parametrize("text", [*ENGLISH, "Who wrote 'The Old Man and the Sea'? I need it: thanks!"])
def test_english_is_all_english(text: str) -> None:
    assert is_all_in(text, {"en"})


@pytest.mark.parametrize("text", [*MIXED, *OTHERS.values(), "", "12 + 30 = ?"])
def test_a_part_in_another_language_is_seen(text: str) -> None:
    assert not is_all_in(text, {"en"})


@pytest.mark.parametrize("text", [MIXED[0], ENGLISH[0], OTHERS["de"]])
def test_several_languages_may_be_meant(text: str) -> None:
    assert is_all_in(text, {"en", "de"})
