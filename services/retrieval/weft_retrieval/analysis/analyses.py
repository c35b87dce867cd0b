"""Analyses: how terms of stored chunks were made, and how many chunks of a collection have terms of which."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from weft_retrieval.analysis.analysis import ANALYSIS


class Analysis(NamedTuple):
    """What made the terms of a chunk: the stemmer of a language, and one version of the rules for words."""

    language: str
    version: int = ANALYSIS


Analysed = Mapping[Analysis, int]
"""Chunks by the analysis that their terms are of."""


def chunks_by_language(analysed: Analysed) -> dict[str, int]:
    """Returns how many chunks have terms of each language, the most common first."""
    chunks: Counter[str] = Counter()
    for analysis, count in analysed.items():
        chunks[analysis.language] += count
    return dict(sorted(chunks.items(), key=lambda entry: (-entry[1], entry[0])))


def changed(analysed: Analysed, change: Analysed) -> dict[Analysis, int]:
    """Returns the chunks after a change, whose numbers may be negative; what none is left of is gone."""
    counts = Counter(dict(analysed))
    counts.update(change)
    return {analysis: count for analysis, count in counts.items() if count > 0}


def to_stored(analysed: Analysed) -> dict[str, dict[str, int]]:
    """Returns what a column of JSON holds of it."""
    stored: dict[str, dict[str, int]] = {}
    for (language, version), chunks in analysed.items():
        stored.setdefault(language, {})[str(version)] = chunks
    return stored


def from_stored(stored: Mapping[str, Mapping[str, Any]]) -> dict[Analysis, int]:
    return {
        Analysis(language, int(version)): chunks
        for language, versions in stored.items()
        for version, chunks in versions.items()
    }
