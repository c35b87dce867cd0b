"""The verifier as an ONNX graph: MiniLM reads two questions together, and a head turns its states into a confidence.

Besides the encoder's inputs the graph takes `segments` [batch, length], 0 for the first question and 1 for the second.
It returns `confidence` [batch], the probability that both ask the same. The head reads the first token's state, and the
distance and product of the two questions' mean states. Rows of a batch must have the same length.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from weft_inference.encoders.minilm_graph import (
    Graph,
    Precision,
    Shape,
    Weights,
    layers,
    norm,
    places,
    serialised,
)

Difference = Mapping[str, NDArray[np.float16 | np.int8]]

_DENSE: Final = "dense."


def changed(weights: Weights, difference: Difference) -> Weights:
    """Returns the encoder's weights with the verifier's difference added.

    For a dense layer the difference is `change`, in eight bits, times one `scale` per row.
    """
    result = dict(weights)
    parts = {name: values.astype(np.float32) for name, values in difference.items() if name.startswith(_DENSE)}
    for layer in {name.removeprefix(_DENSE).rpartition(".")[0] for name in parts}:
        change, scale = (parts[f"{_DENSE}{layer}.{part}"] for part in ("change", "scale"))
        result[f"{layer}.weight"] = weights[f"{layer}.weight"] + change * scale[:, None]
    return result


def build(weights: Weights, difference: Difference, precision: Precision) -> bytes:
    """Returns the serialised model, in about a second."""
    graph, shape = Graph(), Shape()
    x = _embedded(graph, weights, difference["segments"].astype(np.float32), shape)
    x = layers(graph, changed(weights, difference), shape, precision, x)
    _headed(graph, x, difference)
    inputs = {"input_ids": ["batch", "length"], "segments": ["batch", "length"], "lengths": ["batch"]}
    return serialised(graph, inputs, {"confidence": ["batch"]})


def _embedded(graph: Graph, weights: Weights, segments: NDArray[np.float32], shape: Shape) -> str:
    words = graph.one("Gather", graph.weight(weights["embeddings.word_embeddings.weight"]), "input_ids")
    positions = graph.weight(weights["embeddings.position_embeddings.weight"])
    sides = weights["embeddings.token_type_embeddings.weight"][0] + segments
    placed = graph.one("Add", words, graph.one("Gather", positions, places(graph)))
    summed = graph.one("Add", placed, graph.one("Gather", graph.weight(sides), "segments"))
    return norm(graph, weights, "embeddings.LayerNorm", shape.epsilon, summed)


def _headed(graph: Graph, states: str, difference: Difference) -> None:
    first = graph.one("Gather", states, graph.constant(0), axis=1)
    one, other = _mean(graph, states, side=0), _mean(graph, states, side=1)
    distance = graph.one("Abs", graph.one("Sub", one, other))
    features = graph.one("Concat", first, distance, graph.one("Mul", one, other), axis=1)
    head = graph.weight(difference["head.weight"].astype(np.float32)[0])
    bias = graph.weight(difference["head.bias"].astype(np.float32))
    graph.one("Sigmoid", graph.one("Add", graph.one("MatMul", features, head), bias), name="confidence")


def _mean(graph: Graph, states: str, side: int) -> str:
    is_side = graph.one("Equal", "segments", graph.weight(np.array(side, np.int32)))
    weight = graph.one("Unsqueeze", graph.one("Cast", is_side, to=TensorProto.FLOAT), graph.constant([2]))
    total = graph.one("ReduceSum", graph.one("Mul", states, weight), graph.constant([1]), keepdims=0)
    return graph.one("Div", total, graph.one("ReduceSum", weight, graph.constant([1]), keepdims=0))
