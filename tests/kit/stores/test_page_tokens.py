"""Page tokens lead on in the list that made them, and nobody else can make one."""

import base64
import json
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.common.v1 import error_pb2
from weft_kit.rpc.errors import Invalid, InvalidFields
from weft_kit.stores.page_tokens import PageTokens, page_size

KEY = secrets.token_bytes(32)


async def read_key() -> bytes:
    return KEY


async def refused(tokens: PageTokens, token: str, *scope: str) -> None:
    with pytest.raises(Invalid) as raised:
        await tokens.read(token, *scope)
    assert raised.value.reason == error_pb2.ERROR_REASON_INVALID_PAGE_TOKEN
    assert "begin without it" in raised.value.message


@given(st.text(min_size=1, max_size=512), st.text(max_size=64))
async def test_a_token_leads_back_to_its_position_in_its_own_list_only(position: str, scope: str) -> None:
    tokens = PageTokens(read_key)
    token = await tokens.write(position, scope, "docs")
    assert await PageTokens(read_key).read(token, scope, "docs") == position
    for other in ((scope, "other"), (scope + "docs",), ("docs", scope + "x"), (scope, "docs", ""), ()):
        await refused(tokens, token, *other)


async def test_the_first_page_has_no_token_and_the_last_leads_to_none() -> None:
    tokens = PageTokens(read_key)
    assert await tokens.read("", "jobs") == ""
    assert await tokens.write("", "jobs") == ""


async def test_a_token_of_another_mesh_is_refused() -> None:
    async def other_key() -> bytes:
        return secrets.token_bytes(32)

    await refused(PageTokens(read_key), await PageTokens(other_key).write("a", "jobs"), "jobs")


@given(st.text(min_size=1, max_size=80))
async def test_a_forged_token_is_refused(token: str) -> None:
    await refused(PageTokens(read_key), token, "jobs")


FORGED = (
    "x" * 10_000_000,
    "=" * 1000,
    "é",
    "\0",
    base64.urlsafe_b64encode(b"[" * 2000).decode(),
    # What lists gave out before tokens were signed.
    base64.urlsafe_b64encode(json.dumps(["0" * 16, "2026-01-01", "id"]).encode()).decode(),
    base64.urlsafe_b64encode(json.dumps([0] * 3).encode()).decode(),
)


@pytest.mark.parametrize("token", FORGED, ids=range(len(FORGED)))
async def test_whatever_a_token_decodes_to_it_is_refused(token: str) -> None:
    await refused(PageTokens(read_key), token, "jobs")


async def test_a_token_that_was_cut_or_changed_is_refused() -> None:
    tokens = PageTokens(read_key)
    token = await tokens.write("2026-01-01 id", "jobs")
    for at in range(len(token)):
        await refused(tokens, token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :], "jobs")
        if at:
            await refused(tokens, token[:at], "jobs")


def test_page_sizes_have_a_default_and_a_range() -> None:
    assert [page_size(0), page_size(1), page_size(1000)] == [50, 1, 1000]
    for bad in (-1, 1001):
        with pytest.raises(InvalidFields):
            page_size(bad)
