"""Trains the verifier, and writes its difference to MiniLM: python -m bench.cache_quality.training --data FOLDER.

Wants PyTorch beside what the mesh wants (an environment with vLLM has it); the mesh runs the result without.
"""

import argparse
import os
from pathlib import Path

import torch
from bench.cache_quality.pairs import Split, qqp
from bench.cache_quality.training.examples import examples
from bench.cache_quality.training.learning import Course, learn, read
from bench.cache_quality.training.model import Verifier
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

_RANK = 16
_OUT = Path("services/inference/weft_inference/verifier.safetensors")


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.cache_quality.training", description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("WEFT_EVALDATA"), help="the evaluation data")
    parser.add_argument("--minilm", type=Path, required=True, help="folder of model.safetensors and tokenizer.json")
    parser.add_argument("--out", type=Path, default=_OUT)
    parser.add_argument("--people", type=int, default=28_000, help="pairs that people labelled")
    parser.add_argument("--edited", type=int, default=12_000, help="pairs made by edits of theirs")
    parser.add_argument("--minutes", type=float, default=30, help="stops after so many, or after one pass")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(given.threads)
    chosen = examples(qqp(given.data, Split.TRAIN), given.people, given.edited, seed=3)
    rows = read(Tokenizer.from_file(str(given.minilm / "tokenizer.json")), chosen)
    model = Verifier(load_file(given.minilm / "model.safetensors"), _RANK)
    labels = torch.tensor([float(pair.same) for pair in chosen])
    learn(model, rows, labels, Course(rate=1e-3, minutes=given.minutes))
    save_file(model.difference(), given.out)
    print(f"written to {given.out}")


if __name__ == "__main__":
    main()
