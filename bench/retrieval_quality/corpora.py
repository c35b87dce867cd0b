"""Public collections with judgements, read from a folder the user names."""

import importlib.util
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


def data_folder(given: str) -> Path:
    """Finds the folder: as given, else WEFT_EVALDATA, else beside the checkout; ends the program when it is absent."""
    folder = Path(given or os.environ.get("WEFT_EVALDATA") or "../shared/evaldata")
    if not (folder / "loaders.py").exists():
        sys.exit(f"no evaluation data at {folder}: name its folder with --data or WEFT_EVALDATA (it holds loaders.py)")
    return folder


def load(folder: Path, name: str) -> Corpus:
    loaded = getattr(_loaders(folder), name)()
    judged = {query: grades for query, grades in loaded.qrels.items() if any(grades.values())}
    documents = {key: (document.title, document.text) for key, document in loaded.corpus.items()}
    return Corpus(name, documents, {query: loaded.queries[query] for query in judged}, judged)


def _loaders(folder: Path) -> Any:
    """Imports the folder's own reader: only it knows the files."""
    spec = importlib.util.spec_from_file_location("evaldata_loaders", folder / "loaders.py")
    if spec is None or spec.loader is None:
        sys.exit(f"cannot read {folder / 'loaders.py'}")
    module = importlib.util.module_from_spec(spec)
    # Its dataclasses look themselves up by module name.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
