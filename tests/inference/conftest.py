"""What the inference tests share."""

import pytest

from weft_inference.encoders import minilm
from weft_inference.encoders.encoder import Encoder
from weft_inference.encoders.minilm_graph import Precision


@pytest.fixture(scope="package")
def encoder() -> Encoder:
    return minilm.load(Precision.FP32, threads=1)
