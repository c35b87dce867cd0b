"""Pairs without labels: texts with their nearest ones of another family or intent, and pairs implied by labels."""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final

from bench.cache_quality.pairs import Pair, families
from bench.cache_quality.training.edits import content
from bench.cache_quality.training.lexicon import COMMON
from bench.cache_quality.training.neighbours import nearest
from bench.cache_quality.training.sets import OUT_OF_SCOPE, Utterance
from torch import Tensor

_NEAREST: Final = 6
_LEAST_COSINE: Final = 0.5
_TOO_NEAR: Final = 0.92  # nearer texts of different families often mean the same without being labelled so
_A_FAMILY: Final = 3
_COMMON_IN_INTENT: Final = 4
_RELATED: Final = (0.3, 0.58)
_RELATED_EACH: Final = 8
_BEFORE_NOUNS: Final = frozenset(("a", "an", "about", "of", "my"))

Vectors = Callable[[Sequence[str]], Tensor]


def hard_negatives(pairs: Sequence[Pair], texts: Sequence[str], vectors: Vectors) -> list[Pair]:
    """Returns questions paired with their nearest ones of other families, as in a store without an answer for them."""
    family = families((pair.first, pair.second) for pair in pairs)
    made = vectors(texts)
    found = [
        Pair(texts[one], texts[other], False)
        for one, other, cosine in nearest(made, made, _NEAREST)
        if _LEAST_COSINE <= cosine < _TOO_NEAR and family[texts[one]] != family[texts[other]]
    ]
    return [pair for pair in found if content(pair.first) != content(pair.second)]


def implied(pairs: Sequence[Pair], rng: random.Random) -> list[Pair]:
    """Returns pairs implied by labels: the same as the same is the same; different from one of them is different."""
    same = families((pair.first, pair.second) for pair in pairs if pair.same)
    members: dict[str, list[str]] = defaultdict(list)
    for text, root in same.items():
        members[root].append(text)
    told = {frozenset((pair.first, pair.second)) for pair in pairs}
    made = [
        Pair(*rng.sample(family, 2), True)
        for family in members.values()
        for _ in range(min(_A_FAMILY, len(family) - 2))
    ]
    for pair in pairs:
        one, other = (members.get(same.get(text, ""), [text]) for text in (pair.first, pair.second))
        if not pair.same and one is not other and len(one) + len(other) > 2:
            made.append(Pair(rng.choice(one), rng.choice(other), False))
    return [pair for pair in made if frozenset((pair.first, pair.second)) not in told]


def of_intents(spoken: Sequence[Utterance], vectors: Vectors) -> list[Pair]:
    """Returns utterances paired with near ones: the same if they share an intent and differ only in its usual words."""
    texts = [text for text, _ in spoken]
    made, common = vectors(texts), _common(spoken)
    kept: list[Pair] = []
    for one, other, cosine in nearest(made, made, 2 * _NEAREST):
        (first, intent), (second, other_intent) = spoken[one], spoken[other]
        if one == other or cosine < _LEAST_COSINE:
            continue
        if intent != other_intent:
            kept.append(Pair(first, second, False))
        elif intent != OUT_OF_SCOPE and content(first) ^ content(second) <= common[intent]:
            kept.append(Pair(first, second, True))
    return kept


def related_words(texts: Iterable[str], vectors: Vectors) -> Mapping[str, list[str]]:
    """Returns for frequent words others near in meaning: copper for iron, but not film for movie."""
    counts = Counter(word for text in texts for word in content(text))
    words = sorted(word for word, count in counts.items() if count >= 8 and word.isalpha() and len(word) > 2)
    made, found = vectors(words), defaultdict(list)
    for one, other, cosine in nearest(made, made, 40):
        word, near = words[one], words[other]
        if _RELATED[0] <= cosine <= _RELATED[1] and _alike_in_form(word, near) and len(found[word]) < _RELATED_EACH:
            found[word].append(near)
    return {word: near for word, near in found.items() if near}


def nouns(texts: Iterable[str]) -> list[str]:
    """Returns words that often follow the words before nouns."""
    seen, behind = Counter[str](), Counter[str]()
    for text in texts:
        words = re.findall(r"[a-z]+", text.lower())
        seen.update(words)
        behind.update(word for before, word in pairwise(words) if before in _BEFORE_NOUNS)
    often = (word for word, count in behind.items() if count >= 5 and count >= seen[word] / 3)
    return sorted(word for word in often if word not in COMMON and len(word) > 2)


def _common(spoken: Sequence[Utterance]) -> Mapping[str, set[str]]:
    """Returns the words that several utterances of an intent share, so no city, dish or name."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for text, intent in spoken:
        counts[intent].update(content(text))
    return {intent: {word for word, n in its.items() if n >= _COMMON_IN_INTENT} for intent, its in counts.items()}


def _alike_in_form(one: str, other: str) -> bool:
    """Returns whether two words have the same grammatical form, judged by their endings, but different stems."""
    endings = ("ing", "ed", "ly", "er", "s")
    form, other_form = (next((end for end in endings if word.endswith(end)), "") for word in (one, other))
    return form == other_form and one[:4] != other[:4]
