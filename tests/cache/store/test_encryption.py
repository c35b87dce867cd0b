"""Texts at rest: who can read them, and where."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from weft_cache.config import Config
from weft_cache.store.encryption import Encryption

OLD, NEW = os.urandom(32), os.urandom(32)
KEY_TEXT = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


@given(st.binary(max_size=200), st.text(max_size=20))
def test_what_is_sealed_opens_in_its_place_and_shows_nothing_of_itself(text, place):
    sealed = Encryption([NEW]).close(text, place)
    assert Encryption([NEW]).open(sealed, place) == text
    assert len(text) < 4 or text not in sealed


def test_a_text_moved_elsewhere_does_not_open():
    sealed = Encryption([NEW]).close(b"Paris.", "acme/1/answer")
    for elsewhere in ("other/1/answer", "acme/2/answer", "acme/1/question"):
        assert Encryption([NEW]).open(sealed, elsewhere) is None


def test_the_first_key_writes_and_all_of_them_read():
    before, now, later = Encryption([OLD]), Encryption([NEW, OLD]), Encryption([NEW])
    assert now.open(before.close(b"x", "p"), "p") == b"x"
    assert later.open(now.close(b"x", "p"), "p") == b"x"
    assert later.open(before.close(b"x", "p"), "p") is None


def test_without_a_key_texts_lie_open_and_sealed_ones_stay_shut():
    assert Encryption().open(Encryption().close(b"x", "p"), "p") == b"x"
    assert Encryption().open(Encryption([NEW]).close(b"x", "p"), "p") is None


def test_with_a_key_what_lies_open_is_not_believed():
    assert Encryption([NEW]).open(Encryption().close(b"x", "p"), "p") is None


@given(st.binary(max_size=64))
def test_what_nobody_sealed_does_not_open(noise):
    assert Encryption([NEW]).open(noise, "p") is None


@given(st.integers(0, 60), st.integers(1, 255))
def test_a_changed_byte_shuts_it(at, change):
    sealed = bytearray(Encryption([NEW]).close(b"a text to keep", "p"))
    sealed[at % len(sealed)] ^= change
    assert Encryption([NEW]).open(bytes(sealed), "p") is None


def test_fingerprints_tell_equal_texts_of_one_place_and_one_key():
    yes = Encryption([NEW]).fingerprint("yes", "acme")
    assert yes == Encryption([NEW, OLD]).fingerprint("yes", "acme")
    others = [Encryption([NEW]).fingerprint("no", "acme"), Encryption([NEW]).fingerprint("yes", "other")]
    others += [Encryption([OLD]).fingerprint("yes", "acme"), Encryption().fingerprint("yes", "acme")]
    assert len({yes, *others}) == 5


def test_keys_come_from_the_settings_and_are_not_shown():
    config = Config(encryption_keys=f"{KEY_TEXT},{KEY_TEXT}")
    assert config.sealing_keys == [b"0123456789abcdef0123456789abcdef"] * 2
    assert "MDEy" not in repr(config)
    assert Config().sealing_keys == []


@pytest.mark.parametrize("keys", ["c2hvcnQ=", f"{KEY_TEXT},no base64!", "MDEy"])
def test_a_key_that_is_none_is_refused_without_being_shown(keys):
    with pytest.raises(ValidationError, match="must be 32 bytes in base64"):
        Config(encryption_keys=keys)
