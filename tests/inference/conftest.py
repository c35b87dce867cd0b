"""What the inference tests share."""

import pytest

from weft_inference.encoder import Encoder, bundled_model
from weft_inference.minilm_graph import Precision


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    return Encoder.load(bundled_model(), Precision.FP32, threads=1)
