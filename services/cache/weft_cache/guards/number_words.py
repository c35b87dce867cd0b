"""Words that stand for numbers: twenty, twentieth, twice, a third, a dozen."""

from typing import Final

_ONES: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS: Final = "twenty thirty forty fifty sixty seventy eighty ninety"
_NTHS: Final = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
    "fifteenth sixteenth seventeenth eighteenth nineteenth"
)
CARDINALS: Final = {word: number for number, word in enumerate(_ONES.split())} | {
    word: 10 * number for number, word in enumerate(_TENS.split(), 2)
}
ORDINALS: Final = {word: number for number, word in enumerate(_NTHS.split(), 1)} | {
    word.removesuffix("y") + "ieth": 10 * number for number, word in enumerate(_TENS.split(), 2)
}
MULTIPLES: Final = {"twice": 2, "double": 2, "doubled": 2, "thrice": 3, "triple": 3, "tripled": 3, "quadruple": 4}
PARTS: Final = {
    "half": 0.5, "halves": 0.5, "third": 1 / 3, "thirds": 1 / 3, "quarter": 0.25, "quarters": 0.25,
    "fourth": 0.25, "fourths": 0.25, "fifth": 0.2, "fifths": 0.2, "tenth": 0.1, "tenths": 0.1,
}  # fmt: skip
SCALES: Final = {
    "hundred": 100, "dozen": 12, "thousand": 10**3, "k": 10**3, "lakh": 10**5, "lakhs": 10**5, "lac": 10**5,
    "million": 10**6, "mn": 10**6, "mln": 10**6, "crore": 10**7, "crores": 10**7, "billion": 10**9, "bn": 10**9,
    "trillion": 10**12,
}  # fmt: skip
MONEY_SCALES: Final = {"m": 10**6, "b": 10**9}
NUMBER_WORDS: Final = frozenset(
    {*CARDINALS, *ORDINALS, *MULTIPLES, "half", "dozen", "hundred", "thousand", "million", "billion", "lakh", "crore"}
)
"""Words that make a text worth reading for numbers, and that are not names when capitalised."""
