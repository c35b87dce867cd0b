"""What the inference tests share."""

import pytest

from weft_inference import minilm
from weft_inference.encoder import Encoder
from weft_inference.minilm_graph import Precision


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    return minilm.load(Precision.FP32, threads=1)
