"""Every kind of provider that the catalog knows can be asked."""

from typing import get_args

from weft_kit.catalog.providers import HttpEntry, ProviderEntry
from weft_router.providers.formats import WIRE_FORMATS


def test_every_kind_that_is_reached_by_http_has_a_wire_format() -> None:
    entries = {entry for entry in get_args(get_args(ProviderEntry)[0]) if issubclass(entry, HttpEntry)}
    assert entries == set(WIRE_FORMATS)
