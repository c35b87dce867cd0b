"""Which questions the embedder and the verifier were made for: those in languages that they know and can read.

The guards, embedder and verifier shipped with Weft know English. Their results for a question in another language are
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
"""In place of languages: every one is covered."""

MOST_UNREAD: Final = 0.5
"""Share of unknown tokens from which a vector says too little about its text."""
TRY_AGAIN_S: Final = 30.0
"""How long after an answer by an uncalibrated embedder the next question is embedded: by then it may be another one."""
_OTHER_SCRIPTS: Final = frozenset(
    [
        *("am", "ar", "as", "az", "ba", "be", "bg", "bn", "bs", "dz", "el", "fa", "gu", "he", "hi", "hy", "ja", "ka"),
        *("kk", "km", "kn", "ko", "ku", "ky", "lo", "mk", "ml", "mn", "mr", "my", "ne", "or", "pa", "ps", "ru", "sa"),
        *("sd", "si", "sr", "ta", "te", "tg", "th", "tk", "tt", "ug", "uk", "ur", "uz", "yi", "zh"),
    ]
)
"""Languages that are not written in Latin letters, or not always."""
_LATIN: Final = ((0x00C0, 0x024F), (0x1E00, 0x1EFF), (0x0300, 0x036F))
"""Letters with accents, and accents. What is in no such range and not ASCII is of another script."""


class Coverage:
    """Decides which questions may be compared, and which parts must be equal because they cannot be."""

    def __init__(self, covered: Iterable[str]) -> None:
        self._languages = frozenset(covered)
        self._is_all = ALL in self._languages
        self._is_latin = not self._is_all and self._languages.isdisjoint(_OTHER_SCRIPTS)

    @classmethod
    def of(cls, setting: str) -> Self:
        """Returns the coverage of the configured languages. Loads language detection, which takes a second.

        Raises:
            CannotStart: A language is not known.
        """
        covered = frozenset(setting.split(","))
        if covered != {ALL} and (unknown := covered - languages.known()):
            raise CannotStart(
                f"WEFT_CACHE_LANGUAGES must be {ALL} or codes of ISO 639-1 separated by commas, such as en,de: "
                f"{', '.join(sorted(unknown)) or 'nothing'} is none that can be told"
            )
        return cls(covered)

    def includes(self, question: str) -> bool:
        """Returns whether a question is in languages that are covered."""
        return self._is_all or languages.is_all_in(question, self._languages)

    def foreign_letters(self, question: str) -> str:
        """Returns the letters of a question that no covered language is written with, in order."""
        if question.isascii() or not self._is_latin:
            return ""
        return "".join(filter(_is_foreign, unicodedata.normalize("NFKC", question)))


class QuestionEmbedder(Protocol):
    """Makes vectors of texts, and remembers a tenant's latest."""

    async def embed(self, tenant: str, text: str) -> Vector | None:
        """Returns the text's vector; None for no text, for one that is too long, or when nobody embeds now."""
        ...

    def remembered(self, tenant: str, text: str) -> Vector | None:
        """Returns the text's vector, if the tenant asked for it lately."""
        ...

    def forget(self, tenant: str, text: str) -> None:
        """Remembers the text's vector no longer."""
        ...


class QuestionReader:
    """Embeds the questions that are covered, while the embedder is one that certainty was calibrated for."""

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
        """Returns whether the tenant requested its vector recently, so that it costs nothing."""
        return self._embedder.remembered(tenant, question) is not None

    async def read(self, tenant: str, question: str) -> Vector | Reason:
        """Returns the vector of a question that is not refused, or why it has none that may be compared.

        Raises what InferenceClient.ask raises.
        """
        vector = await self._embedder.embed(tenant, question)
        if vector is None:
            return Reason.NOT_STORED
        if vector.embedder not in CALIBRATED_FOR:
            self._embedder.forget(tenant, question)  # else it would speak for the embedder when that is another
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
