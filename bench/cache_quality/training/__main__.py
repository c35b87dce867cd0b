"""Trains the verifier, and writes its difference to MiniLM: python -m bench.cache_quality.training --data FOLDER.

Wants PyTorch beside what the mesh wants (an environment with vLLM has it); the mesh runs the result without.
"""

import argparse
from pathlib import Path

import torch
from bench import evaldata
from bench.cache_quality.pairs import Split, qqp
from bench.cache_quality.training.examples import examples
from bench.cache_quality.training.learning import Course, learn, read
from bench.cache_quality.training.model import Verifier
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

_OUT = Path("services/inference/weft_inference/verifier.safetensors")


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.cache_quality.training", description=__doc__)
    evaldata.add_option(parser)
    parser.add_argument("--minilm", type=Path, required=True, help="folder of model.safetensors and tokenizer.json")
    parser.add_argument("--out", type=Path, default=_OUT)
    parser.add_argument("--people", type=int, default=48_000, help="pairs that people labelled")
    parser.add_argument("--edited", type=int, default=24_000, help="pairs made by edits of theirs")
    parser.add_argument("--start", type=Path, help="go on from this difference; default: MiniLM as it is")
    parser.add_argument("--passes", type=int, default=2, help="how often all of them are read")
    parser.add_argument("--minutes", type=float, default=60, help="stops after so many, if that is earlier")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(given.threads)
    chosen = examples(qqp(evaldata.folder(given.data), Split.TRAIN), given.people, given.edited, seed=3)
    print(f"{len(chosen)} pairs, {sum(pair.same for pair in chosen)} ask the same", flush=True)
    rows = read(Tokenizer.from_file(str(given.minilm / "tokenizer.json")), chosen)
    model = Verifier(load_file(given.minilm / "model.safetensors"))
    if given.start:
        model.resume(load_file(given.start))
    labels = torch.tensor([float(pair.same) for pair in chosen])
    course = Course(given.passes, given.minutes)
    learn(model, rows, labels, course, keep=lambda: save_file(model.difference(), given.out))
    save_file(model.difference(), given.out)
    print(f"written to {given.out}")


if __name__ == "__main__":
    main()
