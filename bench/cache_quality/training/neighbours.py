"""The nearest texts by MiniLM's cosine: those that a verifier is asked about, and must tell apart."""

from collections.abc import Iterator, Sequence

import torch
from bench.cache_quality.training.model import Verifier
from tokenizers import Tokenizer
from torch import Tensor

_LONGEST_TOKENS = 64
_TOGETHER = 128
_ASKED_TOGETHER = 512


def vectors(model: Verifier, tokenizer: Tokenizer, texts: Sequence[str]) -> Tensor:
    """Returns a unit vector for each text; `model` must not be trained yet."""
    tokenizer.no_padding()
    tokenizer.enable_truncation(_LONGEST_TOKENS)
    rows = [one.ids for one in tokenizer.encode_batch(list(texts))]
    made = torch.zeros(len(rows), model.segments.shape[1])
    with torch.inference_mode():
        for places in of_one_length(rows, _TOGETHER):
            made[places] = model.embedded(torch.tensor([rows[place] for place in places]))
    return made


def nearest(vectors: Tensor, store: Tensor, count: int) -> Iterator[tuple[int, int, float]]:
    """Yields for each of `vectors` its place, and the place and the cosine of each of its nearest in `store`."""
    for start in range(0, len(vectors), _ASKED_TOGETHER):
        found = (vectors[start : start + _ASKED_TOGETHER] @ store.T).topk(min(count, len(store)))
        for row, (cosines, places) in enumerate(zip(found.values.tolist(), found.indices.tolist(), strict=True)):
            yield from ((start + row, place, cosine) for place, cosine in zip(places, cosines, strict=True))


def of_one_length(rows: Sequence[Sequence[int]], most: int) -> Iterator[list[int]]:
    """Yields the places of at most `most` rows of the same length, so that nothing is padded."""
    order = sorted(range(len(rows)), key=lambda place: len(rows[place]))
    batch: list[int] = []
    for place in order:
        if batch and (len(batch) == most or len(rows[place]) != len(rows[batch[0]])):
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch
