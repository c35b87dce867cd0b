"""Compares the cost of encoders in one run: `python -m bench.encoders minilm multilingual-e5-small`.

They take turns, round by round, so that a busy machine slows both; memory is measured in a process for each.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import cycle, islice
from typing import Final

import psutil

from weft_inference.encoders import registry
from weft_inference.encoders.encoder import Encoder
from weft_inference.encoders.minilm_graph import Precision
from weft_inference.encoders.registry import EmbedderName

_QUESTION: Final = "How do I reset the password of my account?"
_SENTENCE: Final = "The committee met in the old town hall to discuss how the new harbour should be paid for. "
_CHUNKS, _CHUNK_TOKENS = 32, 200
_TOGETHER: Final = 2
"""How many chunks the service reads at a time: 512 tokens."""
_ROUNDS: Final = 5
_QUESTIONS: Final = 20
_MIB: Final = 1024 * 1024

Work = Callable[[Encoder], None]


def questions(encoder: Encoder) -> None:
    """Reads questions one after another."""
    for _ in range(_QUESTIONS):
        encoder.run(encoder.read(_QUESTION).windows)


def chunks(encoder: Encoder) -> None:
    """Reads chunks of a fixed number of tokens, so that every encoder reads equally many."""
    row = list(islice(cycle(encoder.read(_SENTENCE).windows[0]), _CHUNK_TOKENS))
    for _ in range(_CHUNKS // _TOGETHER):
        encoder.run([row] * _TOGETHER)


def seconds(encoder: Encoder, work: Work) -> float:
    """Returns how long the work takes."""
    began = time.perf_counter()
    work(encoder)
    return time.perf_counter() - began


def compared(loaded: Sequence[Encoder], work: Work) -> list[float]:
    """Returns the median of each encoder's rounds, after one that does not count."""
    for encoder in loaded:
        work(encoder)
    rounds = [[seconds(encoder, work) for encoder in loaded] for _ in range(_ROUNDS)]
    return [statistics.median(times) for times in zip(*rounds, strict=True)]


def memory_mib(name: EmbedderName, precision: Precision) -> float:
    """Returns by how much a process grows that loads an encoder and reads a batch."""
    argv = [sys.executable, "-m", "bench.encoders", "--grow", "--precision", precision, name]
    return float(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)


def _grow(load: Callable[[], Encoder]) -> float:
    process = psutil.Process()
    before = process.memory_info().rss
    encoder = load()
    questions(encoder)
    chunks(encoder)
    return (process.memory_info().rss - before) / _MIB


def main(names: Sequence[EmbedderName], precision: Precision, threads: int) -> None:
    """Measures the encoders and prints a table."""
    loaded = [registry.load(name, precision, threads) for name in names]
    asked, read = compared(loaded, questions), compared(loaded, chunks)
    grown = [memory_mib(name, precision) for name in names]
    print(f"{'':40} {'a question, ms':>16} {'32 chunks, s':>14} {'memory, MiB':>13}   as the first")
    for place, encoder in enumerate(loaded):
        ratios = " ".join(f"{times[place] / times[0]:.1f}" for times in (asked, read, grown))
        question_ms = asked[place] / _QUESTIONS * 1000
        print(f"{encoder.name:40} {question_ms:16.1f} {read[place]:14.2f} {grown[place]:13.0f}   {ratios}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="bench.encoders", description=__doc__)
    parser.add_argument("--precision", type=Precision, default=Precision.FP32, choices=list(Precision))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--grow", action="store_true", help="print what this process grows by with the first encoder")
    parser.add_argument("names", nargs="+", type=EmbedderName, choices=list(EmbedderName))
    given = parser.parse_args()
    if given.grow:
        print(_grow(partial(registry.load, given.names[0], given.precision, given.threads)))
    else:
        main(given.names, given.precision, given.threads)
