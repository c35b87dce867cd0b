"""The mean of what two courses learnt, the second of which went on from the first.

Between the two a verifier judges strange questions better than at either end (Wortsman et al., arXiv 2109.01903).
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

from bench.cache_quality.training.model import eight_bits
from safetensors.torch import load_file, save_file
from torch import Tensor

Difference = Mapping[str, Tensor]


def mean(first: Difference, second: Difference) -> dict[str, Tensor]:
    """Layers that learnt whole in the second do so in the mean; factors of low rank are averaged as they are."""
    made: dict[str, Tensor] = {}
    for name, value in second.items():
        layer, _, part = name.rpartition(".")
        if part == "change":
            changes = eight_bits((_change(first, layer) + _change(second, layer)) / 2)
            made |= {f"{layer}.{part}": values for part, values in changes.items()}
        elif part != "scale":
            made[name] = ((first[name].float() + value.float()) / 2).half()
    return made


def _change(difference: Difference, layer: str) -> Tensor:
    if f"{layer}.change" in difference:
        return difference[f"{layer}.change"].float() * difference[f"{layer}.scale"].float()[:, None]
    return difference[f"{layer}.up"].float() @ difference[f"{layer}.down"].float()


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.cache_quality.training.mean", description=__doc__)
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    save_file(mean(load_file(given.first), load_file(given.second)), given.out)


if __name__ == "__main__":
    main()
