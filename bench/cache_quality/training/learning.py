"""The verifier's training: batches of pairs of one length, for a number of passes or minutes."""

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from bench.cache_quality.pairs import Pair
from bench.cache_quality.training.model import Verifier
from bench.cache_quality.training.neighbours import of_one_length
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor, distributed, multiprocessing
from torch.nn import functional

_LONGEST_TOKENS = 80
_BATCH = 96
_WARM_UP = 0.04
_REPORT_EVERY = 20

Row = tuple[list[int], list[int]]


@dataclass(frozen=True)
class Course:
    """How to train: the rates fall from their peaks to zero, by steps or by time, whichever is further."""

    passes: int
    minutes: float
    processes: int = 2
    seed: int = 2
    dense_rate: float = 2e-4
    other_rate: float = 5e-4  # of what MiniLM has not: segments, head


def read(tokenizer: Tokenizer, pairs: Sequence[Pair]) -> tuple[list[Row], Tensor]:
    """Returns ids and segments of every pair, and their labels, without pairs that are too long."""
    tokenizer.no_padding()
    tokenizer.no_truncation()
    made = tokenizer.encode_batch([(pair.first, pair.second) for pair in pairs])
    kept = [(one, pair) for one, pair in zip(made, pairs, strict=True) if len(one.ids) <= _LONGEST_TOKENS]
    return [(one.ids, one.type_ids) for one, _ in kept], torch.tensor([float(pair.same) for _, pair in kept])


@dataclass(frozen=True)
class WorkerInput:
    """The input of every process."""

    model: Verifier
    rows: Sequence[Row]
    labels: Tensor
    course: Course
    out: Path
    meeting: Path


def learn(model: Verifier, rows: Sequence[Row], labels: Tensor, course: Course, out: Path) -> None:
    """Trains the model, and writes what it learnt to `out` now and then.

    It uses several processes with a thread each: on a shared machine, threads would wait for one another.
    """
    with TemporaryDirectory() as folder:
        given = WorkerInput(model, rows, labels, course, out, Path(folder) / "meeting")
        multiprocessing.spawn(_learn, (given,), nprocs=course.processes)


def _learn(rank: int, given: WorkerInput) -> None:
    model, course = given.model, given.course
    torch.set_num_threads(1)
    torch.manual_seed(course.seed + rank)
    distributed.init_process_group("gloo", f"file://{given.meeting}", rank=rank, world_size=course.processes)
    for parameter in model.parameters():  # they are in memory that all processes share
        parameter.data = parameter.data.clone()
    model.train()
    optimizer, lessons = _optimizer(model, course), list(_lessons(given.rows, course))
    began, average, spent = time.monotonic(), 0.0, 0.0
    for step, places in enumerate(lessons, 1):
        _set_rates(optimizer, max(0.0, min(step / len(lessons) / _WARM_UP, 1 - spent)))
        loss = _step(model, optimizer, given, places[rank :: course.processes])
        mean_loss, seconds = _mean_of_processes(torch.tensor([loss, time.monotonic() - began])).tolist()
        spent = max(step / len(lessons), seconds / 60 / course.minutes)
        average += (mean_loss - average) / min(step, 50)
        if rank == 0 and step % _REPORT_EVERY == 0:
            print(f"step {step} of {len(lessons)}: loss {average:.3f}, {seconds:.0f} s", flush=True)
            _write(model, given.out)
        if spent >= 1:
            break
    if rank == 0:
        _write(model, given.out)


def _step(model: Verifier, optimizer: torch.optim.Optimizer, given: WorkerInput, places: Sequence[int]) -> float:
    """Returns the loss of this process's share of a batch."""
    optimizer.zero_grad()
    ids, segments = (torch.tensor(part) for part in zip(*(given.rows[place] for place in places), strict=True))
    loss = functional.binary_cross_entropy_with_logits(model(ids, segments), given.labels[places])
    loss.backward()
    gradients = [value.grad for value in model.parameters() if value.grad is not None]
    together = _mean_of_processes(torch.cat([value.flatten() for value in gradients]))
    for value, part in zip(gradients, together.split([value.numel() for value in gradients]), strict=True):
        value.copy_(part.view_as(value))
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.item()


def _mean_of_processes(values: Tensor) -> Tensor:
    distributed.all_reduce(values)
    return values / distributed.get_world_size()


def _write(model: Verifier, out: Path) -> None:
    unfinished = out.with_suffix(".part")
    save_file(model.difference(), unfinished)
    unfinished.replace(out)


def _optimizer(model: Verifier, course: Course) -> torch.optim.Optimizer:
    others = [model.segments, *model.head.parameters()]
    groups = [
        {"params": list(model.dense.parameters()), "peak": course.dense_rate},
        {"params": others, "peak": course.other_rate},
    ]
    return torch.optim.AdamW(groups, weight_decay=0.01, betas=(0.9, 0.98), fused=True)


def _set_rates(optimizer: torch.optim.Optimizer, share: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = share * group["peak"]


def _lessons(rows: Sequence[Row], course: Course) -> Iterator[list[int]]:
    """Yields batches, each for all processes together, in random order."""
    rng = random.Random(course.seed)
    together = _BATCH * course.processes
    for _ in range(course.passes):
        order = rng.sample(range(len(rows)), len(rows))
        batches = list(of_one_length([rows[place][0] for place in order], together))
        batches = [[order[place] for place in batch] for batch in batches if len(batch) >= together // 4]
        rng.shuffle(batches)
        yield from batches
