"""The verifier's lessons: batches of pairs of similar length, for so many passes or minutes."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from bench.cache_quality.pairs import Pair
from bench.cache_quality.training.model import Verifier, Whole
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

_LONGEST_TOKENS = 96
_BATCH = 128
_SORTED_TOGETHER = 20 * _BATCH
_WARM_UP_STEPS = 30
_REPORT_EVERY = 25

Row = tuple[list[int], list[int]]


@dataclass(frozen=True)
class Course:
    """How to learn: the rates fall from their peaks to nothing, by steps or by time, whichever is further."""

    passes: int
    minutes: float
    seed: int = 2
    whole_rate: float = 1e-4
    other_rate: float = 4e-4  # of what MiniLM has not: differences of low rank, segments, head


def read(tokenizer: Tokenizer, pairs: Sequence[Pair]) -> list[Row]:
    """Ids and segments of every pair."""
    tokenizer.no_padding()
    tokenizer.enable_truncation(_LONGEST_TOKENS)
    return [(one.ids, one.type_ids) for one in tokenizer.encode_batch([(pair.first, pair.second) for pair in pairs])]


def learn(model: Verifier, rows: Sequence[Row], labels: Tensor, course: Course, keep: Callable[[], None]) -> None:
    """Changes the model; prints the loss and calls `keep` now and then."""
    model.train()
    optimizer = _optimizer(model, course)
    began, steps, average = time.monotonic(), course.passes * -(-len(rows) // _BATCH), 0.0

    def spent(step: int) -> float:
        return max(step / steps, (time.monotonic() - began) / 60 / course.minutes)

    rate = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: max(0.0, min((step + 1) / _WARM_UP_STEPS, 1 - spent(step)))
    )
    for step, places in enumerate(_batches(rows, course.passes, random.Random(course.seed)), 1):
        loss = _loss(model, [rows[place] for place in places], labels[places])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        rate.step()
        average += (loss.item() - average) / min(step, 20)
        if step % _REPORT_EVERY == 0:
            print(f"step {step} of {steps}: loss {average:.3f}, {time.monotonic() - began:.0f} s", flush=True)
            keep()
        if spent(step) >= 1:
            break
    print(f"{step} steps of {_BATCH} pairs in {(time.monotonic() - began) / 60:.0f} minutes", flush=True)


def _optimizer(model: Verifier, course: Course) -> torch.optim.Optimizer:
    whole = [layer.weight for layer in model.modules() if isinstance(layer, Whole)]
    others = [value for value in model.parameters() if not any(value is weight for weight in whole)]
    groups = [{"params": whole, "lr": course.whole_rate}, {"params": others, "lr": course.other_rate}]
    return torch.optim.AdamW(groups, weight_decay=0.01, fused=True)


def _loss(model: Verifier, rows: Sequence[Row], labels: Tensor) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(*_padded(rows)).float()
    return functional.binary_cross_entropy_with_logits(logits, labels)


def _batches(rows: Sequence[Row], passes: int, rng: random.Random) -> Iterator[list[int]]:
    """Places of rows of similar length, in random order, so that little is computed on padding."""
    for _ in range(passes):
        yield from _pass(rows, rng)


def _pass(rows: Sequence[Row], rng: random.Random) -> Iterator[list[int]]:
    order = list(range(len(rows)))
    rng.shuffle(order)
    for start in range(0, len(order), _SORTED_TOGETHER):
        near = sorted(order[start : start + _SORTED_TOGETHER], key=lambda place: len(rows[place][0]))
        cut = [near[begin : begin + _BATCH] for begin in range(0, len(near), _BATCH)]
        rng.shuffle(cut)
        yield from cut


def _padded(rows: Sequence[Row]) -> tuple[Tensor, Tensor, Tensor]:
    lengths = torch.tensor([len(ids) for ids, _ in rows])
    ids, segments = (torch.zeros(len(rows), int(lengths.max()), dtype=torch.long) for _ in range(2))
    for place, (its_ids, its_segments) in enumerate(rows):
        ids[place, : len(its_ids)] = torch.tensor(its_ids)
        segments[place, : len(its_ids)] = torch.tensor(its_segments)
    return ids, segments, lengths
