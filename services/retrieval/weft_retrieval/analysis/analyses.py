"""Analyses: how the terms of stored chunks were made, and how many chunks of a collection have which."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from weft_retrieval.analysis.analysis import ANALYSIS


class Analysis(NamedTuple):
    """What produced the terms of a chunk: the stemmer of a language, and a version of the word rules."""

    language: str
    version: int = ANALYSIS


Analysed = Mapping[Analysis, int]
"""Numbers of chunks by the analysis of their terms."""


def chunks_by_language(analysed: Analysed) -> dict[str, int]:
    """Returns how many chunks have terms of each language, the most common first."""
    chunks: Counter[str] = Counter()
    for analysis, count in analysed.items():
        chunks[analysis.language] += count
    return dict(sorted(chunks.items(), key=lambda entry: (-entry[1], entry[0])))


def changed(analysed: Analysed, change: Analysed) -> dict[Analysis, int]:
    """Returns the chunks after a change, whose numbers may be negative; analyses without chunks are removed."""
    counts = Counter(dict(analysed))
    counts.update(change)
    return {analysis: count for analysis, count in counts.items() if count > 0}


def to_stored(analysed: Analysed) -> dict[str, dict[str, int]]:
    """Returns the JSON value for the column."""
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
