"""Chunks and windows: nothing is left out, nothing is too long, the overlap is there."""

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft_retrieval.chunking.chunking import Chunking, Cutter
from weft_retrieval.chunking.splitter import Borders, Span, cut
from weft_retrieval.chunking.tokens import Ruler, load_tokenizer
from weft_retrieval.formats import Heading, Parsed
from weft_retrieval.formats.markdown import read_markdown

TOKENIZER = load_tokenizer(None)
CUTTER = Cutter(TOKENIZER, 256)

words = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=12)
long_words = st.text("abcdef0123456789", min_size=30, max_size=300)
sentences = st.lists(words | long_words, min_size=1, max_size=40).map(lambda parts: " ".join(parts) + ". ")
headings = st.integers(1, 4).map(lambda level: f"\n\n{'#' * level} Heading of level {level}\n\n")
pieces = st.lists(sentences | headings | st.just("\n\n"), min_size=1, max_size=20)
texts = pieces.map(lambda parts: "Begin. " + "".join(parts))
chunkings = st.integers(64, 200).flatmap(
    lambda size: st.integers(0, (size - 1) // 2).map(lambda overlap: Chunking(size, overlap))
)
few = settings(max_examples=40)


def tokens(text: str) -> int:
    return len(TOKENIZER.encode(text, add_special_tokens=False).ids)


def spans(parsed: Parsed, chunking: Chunking) -> tuple[Ruler, list[Span]]:
    ruler = Ruler(TOKENIZER, parsed.text)
    borders = Borders(ruler, [heading.offset for heading in parsed.headings])
    whole = Span(0, len(parsed.text))
    return ruler, list(cut(ruler, borders, whole, chunking.max_tokens, chunking.overlap_tokens))


@few
@given(texts, chunkings)
def test_spans_cover_the_whole_text(text, chunking):
    ruler, found = spans(read_markdown(text.encode()), chunking)
    assert ruler.count(0, found[0].start) == 0
    assert found[-1].end == len(read_markdown(text.encode()).text)
    assert all(before.start < after.start <= before.end < after.end for before, after in pairwise(found))


@few
@given(texts, chunkings)
def test_no_chunk_is_longer_than_allowed(text, chunking):
    for chunk in CUTTER.chunks("d", "", read_markdown(text.encode()), chunking):
        assert tokens(chunk.text) <= chunking.max_tokens


@few
@given(texts, chunkings)
def test_the_overlap_is_there_and_not_more_than_asked_for(text, chunking):
    ruler, found = spans(read_markdown(text.encode()), chunking)
    for before, after in pairwise(found):
        shared = ruler.count(after.start, before.end)
        assert shared <= chunking.overlap_tokens
        # A word is up to 32 tokens, and cannot be shared in part.
        assert shared > 0 or chunking.overlap_tokens <= 32


@few
@given(texts, chunkings, st.text(max_size=80))
def test_windows_hold_all_of_their_chunk_and_fit_the_embedder(text, chunking, title):
    for chunk in CUTTER.chunks("d", title, read_markdown(text.encode()), chunking):
        assert all(len(TOKENIZER.encode(window).ids) <= 256 for window in chunk.windows)
        rest = chunk.text
        for window in chunk.windows:
            ending = _longest_common(window, rest)
            assert ending.strip()
            rest = rest[len(ending) :].lstrip()
        assert not rest


def _longest_common(window: str, rest: str) -> str:
    """Returns the start of `rest` that `window` ends with."""
    return next(rest[:size] for size in range(min(len(window), len(rest)), -1, -1) if window.endswith(rest[:size]))


@few
@given(texts, chunkings)
def test_the_same_document_gives_the_same_keys_and_no_key_twice(text, chunking):
    parsed = read_markdown(text.encode())
    first, second = (CUTTER.chunks("d", "t", parsed, chunking) for _ in range(2))
    assert first == second
    assert len({chunk.key for chunk in first}) == len(first)


@few
@given(st.text(max_size=400))
def test_a_ruler_counts_as_the_tokenizer_does_or_more(text):
    ruler = Ruler(TOKENIZER, text)
    assert ruler.count(0, len(text)) >= tokens(text)
    if max((len(word) for word in re.findall(r"\S+", text)), default=0) <= 32:
        assert ruler.count(0, len(text)) == tokens(text)


def test_a_short_document_is_one_chunk_with_one_window():
    (chunk,) = CUTTER.chunks("d", "Tides", Parsed("The moon pulls the sea."), Chunking())
    assert chunk.text == "The moon pulls the sea."
    assert chunk.windows == ("Tides\nThe moon pulls the sea.",)


def test_text_is_cut_between_sentences():
    sentence = "Every one of these sentences has exactly ten words in it. "
    chunks = CUTTER.chunks("d", "", Parsed(sentence * 40), Chunking(100, 20))
    assert all(chunk.text.startswith("Every") and chunk.text.endswith("it.") for chunk in chunks)


def test_a_heading_in_the_second_half_ends_a_chunk():
    parsed = read_markdown(b"# One\n\n" + b"word " * 70 + b"\n\n# Two\n\n" + b"word " * 300)
    first, second, *_ = CUTTER.chunks("d", "", parsed, Chunking(100, 0))
    assert "# Two" not in first.text
    assert second.text.startswith("# Two")
    assert second.headings == ("Two",)


def test_windows_carry_the_headings_that_stand_over_them():
    parsed = read_markdown(b"# Guide\n\n## Install\n\n" + b"Step by step. " * 150)
    (chunk,) = CUTTER.chunks("d", "Guide", parsed, Chunking())
    first, *others = chunk.windows
    assert first.startswith("# Guide\n\n## Install")
    assert others
    assert all(window.startswith("Guide\nInstall\nStep") for window in others)


def test_a_very_long_heading_leaves_room_for_the_text():
    parsed = Parsed("word " * 400, (Heading(0, 1, "endless " * 500),))
    (chunk,) = CUTTER.chunks("d", "title " * 500, parsed, Chunking())
    assert len(chunk.windows) == 3


def test_what_is_left_for_two_chunks_is_shared_between_them():
    chunks = CUTTER.chunks("d", "", Parsed("One short sentence here. " * 25), Chunking(100, 0))
    assert len(chunks) == 2
    assert min(tokens(chunk.text) for chunk in chunks) > 40


def test_appending_leaves_earlier_chunks_alone():
    text = "".join(f"Sentence number {n} is like no other one. " for n in range(100))
    before = CUTTER.chunks("d", "", Parsed(text), Chunking(100, 20))
    after = CUTTER.chunks("d", "", Parsed(text + "And more follows. " * 40), Chunking(100, 20))
    kept = {chunk.key for chunk in before} & {chunk.key for chunk in after}
    assert len(kept) >= len(before) - 2


@pytest.mark.parametrize("text", ["", " \n\t ", "\u200b"])
def test_nothing_makes_no_chunks(text):
    assert CUTTER.chunks("d", "", Parsed(text), Chunking()) == []
