"""Which questions the embedder and the verifier can compare: those in languages and letters that they know.

The guards, embedder and verifier shipped with Weft know English. Their results for questions in other languages are
worthless, and texts in unknown letters all look the same to them. Only the exact tier serves such questions.
"""

import time
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final, Protocol, Self

from weft_cache.records import Vector
from weft_cache.semantic.calibration import CALIBRATED_FOR
from weft_cache.semantic.choice import Reason
from weft_kit import languages
from weft_kit.outages import Outage
from weft_kit.rpc.errors import CannotStart

ALL: Final = "*"
"""The setting that covers all languages."""

MOST_UNREAD: Final = 0.5
"""Share of unknown tokens from which a vector says too little about its text."""
TRY_AGAIN_S: Final = 30.0
"""How long no question is embedded after an uncalibrated embedder answered: then it may have been replaced."""
_OTHER_SCRIPTS: Final = frozenset(
    [
        *("am", "ar", "as", "az", "ba", "be", "bg", "bn", "bs", "dz", "el", "fa", "gu", "he", "hi", "hy", "ja", "ka"),
        *("kk", "km", "kn", "ko", "ku", "ky", "lo", "mk", "ml", "mn", "mr", "my", "ne", "or", "pa", "ps", "ru", "sa"),
        *("sd", "si", "sr", "ta", "te", "tg", "th", "tk", "tt", "ug", "uk", "ur", "uz", "yi", "zh"),
    ]
)
"""Languages that are not, or not always, written in Latin letters."""
_LATIN: Final = ((0x00C0, 0x024F), (0x1E00, 0x1EFF), (0x0300, 0x036F))
"""Accented letters, and accents. Letters outside these ranges and ASCII belong to other scripts."""


class Coverage:
    """Decides which questions may be compared, and which of their letters must be equal since no model reads them."""

    def __init__(self, covered: Iterable[str]) -> None:
        self._languages = frozenset(covered)
        self._is_all = ALL in self._languages
        self._is_latin = not self._is_all and self._languages.isdisjoint(_OTHER_SCRIPTS)

    @classmethod
    def of(cls, setting: str) -> Self:
        """Returns the coverage of the configured languages. Loads language detection, which takes a second.

        Raises:
            CannotStart: the setting names an unknown language.
        """
        covered = frozenset(setting.split(","))
        if covered != {ALL} and (unknown := covered - languages.known()):
            raise CannotStart(
                f"WEFT_CACHE_LANGUAGES must be {ALL} or codes of ISO 639-1 separated by commas, such as en,de: "
                f"{', '.join(sorted(unknown)) or 'nothing'} is none that can be told"
            )
        return cls(covered)

    def includes(self, question: str) -> bool:
        """Returns whether a question is entirely in covered languages."""
        return self._is_all or languages.is_all_in(question, self._languages)

    def foreign_letters(self, question: str) -> str:
        """Returns the letters in a question that no covered language uses, in order."""
        if question.isascii() or not self._is_latin:
            return ""
        return "".join(filter(_is_foreign, unicodedata.normalize("NFKC", question)))


class QuestionEmbedder(Protocol):
    """Embeds texts and remembers each tenant's latest vectors."""

    async def embed(self, tenant: str, text: str) -> Vector | None:
        """Returns the text's vector; None for no text, for one that is too long, or if the service does not answer."""
        ...

    def remembered(self, tenant: str, text: str) -> Vector | None:
        """Returns the text's vector if the tenant requested it recently."""
        ...

    def forget(self, tenant: str, text: str) -> None:
        """Removes the text's vector from memory."""
        ...


class QuestionReader:
    """Embeds covered questions, as long as the embedder is one that certainty was calibrated for."""

    def __init__(
        self, embedder: QuestionEmbedder, coverage: Coverage, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._embedder, self._coverage, self._clock = embedder, coverage, clock
        self._off_until = 0.0
        self._off = Outage("the semantic tier is off: it is not calibrated for the embedder", "the semantic tier is on")

    def refusal(self, question: str) -> Reason | None:
        """Returns why a question must not be embedded; None if it may."""
        if not question:
            return Reason.NOT_STORED
        if self._clock() < self._off_until:
            return Reason.UNCALIBRATED
        return None if self._coverage.includes(question) else Reason.LANGUAGE

    def remembers(self, tenant: str, question: str) -> bool:
        """Returns whether the tenant requested the question's vector recently, so that it costs nothing now."""
        return self._embedder.remembered(tenant, question) is not None

    async def read(self, tenant: str, question: str) -> Vector | Reason:
        """Returns the vector of a question that is not refused, or why it has none that may be compared.

        Raises the errors of InferenceClient.ask.
        """
        vector = await self._embedder.embed(tenant, question)
        if vector is None:
            return Reason.NOT_STORED
        if vector.embedder not in CALIBRATED_FOR:
            self._embedder.forget(tenant, question)  # the next try must ask the embedder that runs then
            self._turn_off(vector.embedder)
            return Reason.UNCALIBRATED
        self._off.ended()
        if vector.unread_share >= MOST_UNREAD:
            return Reason.UNREAD
        letters = self._coverage.foreign_letters(question)
        return replace(vector, unread=vector.unread + letters.encode()) if letters else vector

    def _turn_off(self, embedder: str) -> None:
        self._off_until = self._clock() + TRY_AGAIN_S
        self._off.failed(f"{embedder} embeds; calibrated are {', '.join(sorted(CALIBRATED_FOR))}")


def _is_foreign(character: str) -> bool:
    if character.isascii() or unicodedata.category(character)[0] not in "LM":
        return False
    return not any(first <= ord(character) <= last for first, last in _LATIN)
