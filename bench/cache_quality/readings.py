"""Results of the models, kept on disk by content: only new texts, or those of a new model, are read."""

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

_ASKED_TOGETHER: Final = 500
_TOGETHER: Final = 2000
"""How many are read before they are stored, so that little is lost if the program is stopped."""


class Readings:
    """Vectors by text and confidences by pair, each under the digest of the model that made them."""

    def __init__(self, path: Path | None) -> None:
        self._found: dict[bytes, bytes] = {}
        self._database = sqlite3.connect(path or ":memory:", timeout=60)
        self._database.execute("PRAGMA journal_mode=WAL")  # two runs may share the file
        self._database.execute("CREATE TABLE IF NOT EXISTS readings (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID")

    def vectors(self, model: bytes, texts: Sequence[str], read: Callable[[Sequence[str]], Vectors]) -> Vectors:
        """Returns a row for each text; `read` makes those that are missing."""
        keys = [_key(model, text) for text in texts]
        missing = self._missing(zip(keys, texts, strict=True))
        for start in range(0, len(missing), _TOGETHER):
            part = missing[start : start + _TOGETHER]
            rows = read([text for _, text in part])
            self._keep((key, row.tobytes()) for (key, _), row in zip(part, rows, strict=True))
            self.commit()
        return np.array([np.frombuffer(self._found[key], np.float32) for key in keys])

    def confidences(
        self, model: bytes, question: str, others: Sequence[str], read: Callable[[Sequence[str]], Sequence[float]]
    ) -> list[float]:
        """Returns one for each of `others`; `read` makes those that are missing."""
        keys = [_key(model, question, other) for other in others]
        missing = self._missing(zip(keys, others, strict=True))
        if missing:
            sure = read([other for _, other in missing])
            self._keep((key, np.float32(one).tobytes()) for (key, _), one in zip(missing, sure, strict=True))
        return [float(np.frombuffer(self._found[key], np.float32)[0]) for key in keys]

    def commit(self) -> None:
        """Writes what is new since the last time."""
        self._database.commit()

    def _missing(self, texts: Iterable[tuple[bytes, str]]) -> list[tuple[bytes, str]]:
        """Returns what is missing, and remembers what is not: stores are asked several times."""
        wanted = {key: text for key, text in texts if key not in self._found}
        keys = iter(list(wanted))
        while some := list(islice(keys, _ASKED_TOGETHER)):
            marks = ",".join("?" * len(some))
            rows = self._database.execute(f"SELECT key, value FROM readings WHERE key IN ({marks})", some)  # noqa: S608
            self._found.update(rows)
        return [(key, text) for key, text in wanted.items() if key not in self._found]

    def _keep(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        kept = list(rows)
        self._database.executemany("INSERT OR REPLACE INTO readings VALUES (?, ?)", kept)
        self._found.update(kept)


def kept_at() -> Path:
    """Returns where readings are kept by default: in the user's cache folder, outside the checkout."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "weft"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "cache_quality.sqlite"


def digest(*files: Path) -> bytes:
    """Returns a digest of a model's files: its weights, and the code that reads with them."""
    summed = hashlib.blake2b(digest_size=16)
    for file in files:
        summed.update(file.read_bytes())
    return summed.digest()


def _key(model: bytes, *texts: str) -> bytes:
    summed = hashlib.blake2b(model, digest_size=16)
    for text in texts:
        data = text.encode()
        summed.update(len(data).to_bytes(4, "big") + data)
    return summed.digest()
