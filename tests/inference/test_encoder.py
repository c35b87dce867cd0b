"""The encoder's graph, written from weights: what its vectors must be like."""

import numpy as np
import pytest

from weft_inference.encoders import minilm
from weft_inference.encoders.encoder import Encoder
from weft_inference.encoders.minilm_graph import Precision

TEXTS = [
    "How do I reset my password?",
    "What are the steps to change a forgotten password?",
    "The quick brown fox jumps over the lazy dog. " * 8,
    "Bananas are rich in potassium.",
]


def vectors(encoder: Encoder, *texts: str) -> np.ndarray:
    return np.stack([one.embedding for one in encoder.run([encoder.windows(text)[0] for text in texts])])


def test_vectors_have_norm_one(encoder):
    made = vectors(encoder, *TEXTS)
    assert made.shape == (len(TEXTS), encoder.dimensions)
    assert np.linalg.norm(made, axis=1) == pytest.approx(1, abs=1e-5)


def test_vectors_are_those_of_the_reference_implementation(encoder):
    # Computed from the same weights by transformers' BertModel on torch, in float32, mean-pooled and normalised.
    [made] = vectors(encoder, "This is an example sentence")
    assert made[:5] == pytest.approx([0.06765687, 0.06349593, 0.04871313, 0.07930497, 0.03744801], abs=1e-5)


def test_a_paraphrase_is_nearer_than_another_subject(encoder):
    asked, paraphrase, _, other = vectors(encoder, *TEXTS)
    assert asked @ paraphrase > 0.7
    assert asked @ other < 0.2


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.INT8_BY_PIECE])
def test_a_vector_does_not_depend_on_company_or_padding(precision):
    encoder = minilm.load(precision, threads=1)
    together = vectors(encoder, *TEXTS)
    alone = np.concatenate([vectors(encoder, text) for text in TEXTS])
    assert (together * alone).sum(axis=1) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(("precision", "least"), [(Precision.INT8, 0.98), (Precision.INT8_BY_PIECE, 0.995)])
def test_int8_stays_near_the_exact_vectors_under_another_name(encoder, precision, least):
    fast = minilm.load(precision, threads=1)
    cosines = [float(vectors(fast, text)[0] @ vectors(encoder, text)[0]) for text in TEXTS]
    assert min(cosines) > least
    assert fast.name != encoder.name


def test_a_long_text_is_cut_into_overlapping_windows(encoder):
    windows = encoder.windows(" ".join(str(number) for number in range(400)))
    assert len(windows) > 1
    assert all(len(window) <= encoder.max_tokens for window in windows)
    assert windows[0][-2] in windows[1][1:40]


def test_what_is_embedded_is_the_text_and_its_borders_alone(encoder):
    [row] = encoder.read("a question").windows
    assert [row] == encoder.windows("a question")
    assert len(row) == 4
