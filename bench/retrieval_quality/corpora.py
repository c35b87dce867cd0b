"""Public collections with judgements, read from a folder the user names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.evaldata import loaders

NAMES = ("scifact", "cacm")
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True, slots=True)
class Corpus:
    """Documents as (title, text) by id, the judged queries by id, and their judgements: query → document → grade."""

    name: str
    documents: Mapping[str, tuple[str, str]]
    queries: Mapping[str, str]
    judgements: Mapping[str, Mapping[str, int]]

    def sentences(self) -> list[str]:
        """Returns all sentences of some length, in order."""
        texts = (text for _, text in self.documents.values())
        return [sentence for text in texts for sentence in _SENTENCE.split(text) if len(sentence) > 30]


def load(folder: Path, name: str) -> Corpus:
    loaded = getattr(loaders(folder), name)()
    judged = {query: grades for query, grades in loaded.qrels.items() if any(grades.values())}
    documents = {key: (document.title, document.text) for key, document in loaded.corpus.items()}
    return Corpus(name, documents, {query: loaded.queries[query] for query in judged}, judged)


def title(name: str) -> str:
    """Returns a corpus's name in reports; those of XQuAD are named after their language."""
    return {"scifact": "SciFact", "cacm": "CACM", "jaquad": "JaQuAD"}.get(name, f"XQuAD {name}")
