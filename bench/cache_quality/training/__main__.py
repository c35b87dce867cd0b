"""Trains the verifier, and writes its difference to MiniLM: python -m bench.cache_quality.training --data FOLDER.

Needs PyTorch in addition to the mesh's dependencies (an environment with vLLM has it); the mesh runs without it.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

try:
    import torch
except ModuleNotFoundError:
    sys.exit("training wants PyTorch, which is not here: run it in an environment that has it, or `pip install torch`")
from bench import evaldata
from bench.cache_quality.more_sets import SetMissing
from bench.cache_quality.pairs import Split, qqp
from bench.cache_quality.training import sets
from bench.cache_quality.training.examples import Amounts, Material, examples
from bench.cache_quality.training.learning import Course, learn, read
from bench.cache_quality.training.model import Verifier
from bench.cache_quality.training.neighbours import vectors
from safetensors.torch import load_file
from tokenizers import Tokenizer

_OUT = Path("services/inference/weft_inference/encoders/verifier.safetensors")


def main() -> None:
    given = _parser().parse_args()
    torch.set_num_threads(given.processes)
    data = evaldata.folder(given.data)
    tokenizer = Tokenizer.from_file(str(given.minilm / "tokenizer.json"))
    weights = load_file(given.minilm / "model.safetensors")
    amounts, nearby = Amounts().scaled(given.share), partial(vectors, Verifier(weights), tokenizer)
    chosen = examples(_material(data, given.sets), nearby, amounts, given.seed)
    print(f"{len(chosen)} pairs, {sum(pair.same for pair in chosen)} of them the same", flush=True)
    model = Verifier(weights)
    if given.start:
        model.resume(load_file(given.start))
    rows, labels = read(tokenizer, chosen)
    course = Course(given.passes, given.minutes, given.processes, given.seed, given.rate)
    learn(model, rows, labels, course, given.out)
    print(f"written to {given.out}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench.cache_quality.training", description=__doc__)
    evaldata.add_option(parser)
    parser.add_argument("--sets", type=Path, help="folder of the other sets (docs/cache.md)")
    parser.add_argument("--minilm", type=Path, required=True, help="folder of model.safetensors and tokenizer.json")
    parser.add_argument("--out", type=Path, default=_OUT, help="where to write the result")
    parser.add_argument("--start", type=Path, help="continue from this difference; default: plain MiniLM")
    parser.add_argument("--seed", type=int, default=3, help="seed of the random choices")
    parser.add_argument("--rate", type=float, default=2e-4, help="the highest learning rate")
    parser.add_argument("--share", type=float, default=1.0, help="share of the usual number of pairs: .01 for a trial")
    parser.add_argument("--passes", type=int, default=1, help="how often all pairs are read")
    parser.add_argument("--minutes", type=float, default=600, help="stop after this many minutes, if that is earlier")
    parser.add_argument("--processes", type=int, default=2, help="number of processes, with one thread each")
    return parser


def _material(data: Path, folder: Path | None) -> Material:
    questions = qqp(data, Split.TRAIN)
    if folder is None:
        print("no other sets (--sets): the verifier learns from Quora's questions only, and knows no statements")
        return Material(questions)
    try:
        return Material(questions, sets.statements(folder), sets.utterances(folder, data))
    except SetMissing as problem:
        sys.exit(str(problem))


if __name__ == "__main__":
    main()
