"""Pairs of questions by what tells them apart, and pairs that ask the same in spite of it."""

from tests.cache.guards.pairs import assorted, meaning, numbers, structure, writing

_KINDS = (numbers, writing, meaning, structure, assorted)

DIFFERENT = {name: pairs for kind in _KINDS for name, pairs in kind.DIFFERENT.items()}
SAME = {name: pairs for kind in _KINDS for name, pairs in kind.SAME.items()}
