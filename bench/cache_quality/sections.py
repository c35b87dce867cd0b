"""The three sets of the evaluation, each beside the plain cosine that others serve by."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from bench.cache_quality.judging import Judge, Judged
from bench.cache_quality.measures import Served, average_precision, recall_at, served
from bench.cache_quality.pairs import Split, gptcache, intents, qqp
from bench.markdown import paragraph, table

from weft_cache.calibration import CALIBRATION, threshold

COSINES = {"cosine ≥ .80 (GPTCache)": 0.8, "cosine ≥ .90 (RedisVL)": 0.9, "cosine ≥ .95": 0.95}
_PAIRS = 12_000


def question_pairs(judge: Judge, folder: Path, target: float) -> list[str]:
    """Quora's pairs of the TEST split."""
    pairs = random.Random(1).sample(qqp(folder, Split.TEST), _PAIRS)
    judged = judge.pairs(pairs)
    same = np.array([pair.same for pair in pairs])
    cosine, weft = np.array([one.similarity for one in judged]), np.array([_ranked(one) for one in judged])
    needed = threshold(CALIBRATION, target)
    rows = [_pair_row(name, served(cosine, same, least), same) for name, least in COSINES.items()]
    rows.append(_pair_row(f"**Weft** (certainty ≥ {needed:.3f})", served(weft, same, needed), same))
    curves = [
        (
            name,
            f"{average_precision(scores, same):.3f}",
            *(f"{recall_at(scores, same, p):.3f}" for p in (0.9, 0.93, 0.95)),
        )
        for name, scores in (("MiniLM's cosine", cosine), ("**Weft**", weft))
    ]
    return [
        "## Quora's question pairs",
        "",
        *paragraph(
            f"{_PAIRS:,} pairs of the TEST split, {same.mean():.0%} of them duplicates by their labels: one question "
            "is stored, the other asked. In the first table what floor and guards refuse ranks last, by its cosine."
        ),
        *table(("", "average precision", "recall at precision .90", "at .93", "at .95"), curves),
        *table(("served when", "precision", "recall", "wrong of all pairs"), rows),
    ]


def paraphrases(judge: Judge, folder: Path, target: float) -> list[str]:
    """GPTCache's 999 pairs: its own benchmark."""
    pairs = gptcache(folder)
    stored = list(dict.fromkeys(pair.first for pair in pairs))
    judged = judge.lookups([(text, text) for text in stored], [pair.second for pair in pairs])
    rows = _lookup_rows(judged, lambda asked, found: pairs[asked].first == stored[found], target)
    text = (
        f"{len(pairs)} texts are stored, {len(stored)} of them different; a paraphrase of each is looked up. Right is "
        "the text it was made from, and no other."
    )
    return ["## GPTCache's own benchmark", "", *paragraph(text), *rows]


def banking(judge: Judge, folder: Path, target: float) -> list[str]:
    """banking77: other people's customers, 77 intents that lie close together."""
    stored, asked = list(dict(intents(folder, "train")).items()), intents(folder, "test")
    judged = judge.lookups(stored, [text for text, _ in asked])
    rows = _lookup_rows(judged, lambda query, found: asked[query][1] == stored[found][1], target)
    text = (
        f"{len(stored):,} utterances are stored, {len(asked):,} others looked up. The answer to each is its intent; "
        "wrong is a hit of another one. Nothing of this set was trained on."
    )
    return ["## banking77", "", *paragraph(text), *rows]


def _ranked(one: Judged) -> float:
    """What the floor and the guards refuse comes last, by its cosine."""
    return one.certainty if one.surest >= 0 else one.similarity - 2


def _pair_row(name: str, result: Served, same: np.ndarray) -> tuple[str, ...]:
    precision = 1 - result.wrong_share_of_hits
    return name, f"{precision:.3f}", f"{result.right / same.sum():.3f}", f"{result.wrong / result.lookups:.1%}"


def _lookup_rows(judged: Sequence[Judged], is_right: Callable[[int, int], bool], target: float) -> list[str]:
    needed = threshold(CALIBRATION, target)
    nearest = [is_right(place, one.nearest) for place, one in enumerate(judged)]
    surest = [is_right(place, one.surest) for place, one in enumerate(judged)]
    results = {name: served([one.similarity for one in judged], nearest, least) for name, least in COSINES.items()} | {
        f"**Weft** (certainty ≥ {needed:.3f})": served([one.certainty for one in judged], surest, needed)
    }
    rows = [
        (
            name,
            f"{one.right} ({one.right / one.lookups:.1%})",
            f"{one.wrong} ({one.wrong / one.lookups:.1%})",
            f"{one.hit_share:.1%}",
            f"{one.wrong_share_of_hits:.1%}",
        )
        for name, one in results.items()
    ]
    return table(("served when", "right", "wrong", "hits", "wrong of the hits"), rows)
