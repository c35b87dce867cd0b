"""Encrypts stored texts if there is a key, and makes them unreadable without it.

AES-256-GCM with a random nonce. A ciphertext is bound to its place, so a text moved to another answer, field or tenant
does not decrypt there.
"""

import hashlib
import os
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
_PLAIN, _SEALED = b"\x00", b"\x01"
_NAME_BYTES, _NONCE_BYTES = 4, 12


class Encryption:
    """Encrypts with the first key and decrypts with any. Without keys texts are stored unencrypted, and encrypted ones
    stay unreadable.
    """

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self._keys = {_name(key): AESGCM(key) for key in keys}
        self._first = _name(keys[0]) if keys else b""
        self._print_key = _derived(keys[0]) if keys else b""

    def close(self, text: bytes, place: str) -> bytes:
        """Returns the form in which a text is stored at a place."""
        if not self._keys:
            return _PLAIN + text
        nonce = os.urandom(_NONCE_BYTES)
        return _SEALED + self._first + nonce + self._keys[self._first].encrypt(nonce, text, place.encode())

    def open(self, stored: bytes, place: str) -> bytes | None:
        """Returns the text stored at a place; None if no key decrypts it, or if it is unencrypted but must not be."""
        kind, name, sealed = stored[:1], stored[1 : 1 + _NAME_BYTES], stored[1 + _NAME_BYTES :]
        if kind == _PLAIN and not self._keys:
            return stored[1:]
        key = self._keys.get(name)
        if kind != _SEALED or key is None or len(sealed) < _NONCE_BYTES:
            return None
        try:
            return key.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place.encode())
        except InvalidTag:
            return None

    def fingerprint(self, text: str, place: str) -> str:
        """Returns a digest that is equal for equal texts of one place, and does not help to guess them without the
        key.
        """
        hashed = hashlib.blake2b(digest_size=12, key=self._print_key, person=b"weft.cache.print")
        hashed.update(f"{len(place)}:{place}{text}".encode())
        return hashed.hexdigest()


def _derived(key: bytes) -> bytes:
    """Returns a separate key for fingerprints, since an encryption key must not be used for anything else."""
    return hashlib.blake2b(key=key, digest_size=KEY_BYTES, person=b"weft.cache.print").digest()


def _name(key: bytes) -> bytes:
    """Returns an identifier of the key that encrypted a text, which reveals nothing about the key."""
    return hashlib.blake2b(key, digest_size=_NAME_BYTES, person=b"weft.cache.seal").digest()
