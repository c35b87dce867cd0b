"""Connections to providers, TLS included: made before they are needed, kept, and trusted only with a certificate."""

import asyncio
import ssl
from pathlib import Path

import pytest
import trustme
from tests.router.providers.http.harness import TEXT, answer, at, failure, on
from tests.router.scripted_server import Reply, ScriptedServer

from weft.common.v1 import error_pb2


async def test_a_connection_is_used_again_after_an_answer_and_after_a_refusal() -> None:
    scripted = ScriptedServer(TEXT, Reply(400), TEXT)
    async with on(scripted) as provider:
        await answer(provider)
        await failure(provider)
        await answer(provider)

    assert scripted.connections == 1


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


async def test_a_connection_stands_before_the_first_call_and_is_kept(tls: ssl.SSLContext, ca_file: Path) -> None:
    scripted = ScriptedServer(TEXT)
    async with scripted.running(tls) as base_url, at(base_url, ca_file=ca_file, keep_warm_s=0.1) as provider:
        first = await asyncio.wait_for(scripted.heads.get(), 20)
        await asyncio.wait_for(scripted.heads.get(), 20)
        await answer(provider)

    assert scripted.connections == 1
    assert not {"authorization", "x-api-key"} & set(first.headers)


async def test_a_provider_that_cannot_be_warmed_can_still_be_asked(tls: ssl.SSLContext, ca_file: Path) -> None:
    async with at("https://127.0.0.1:1/v1", ca_file=ca_file, keep_warm_s=0.01) as provider:
        error = await failure(provider)

    assert error.reason == error_pb2.ERROR_REASON_PROVIDER_UNREACHABLE


async def test_plain_http_is_not_kept_warm() -> None:
    scripted = ScriptedServer(TEXT)
    async with on(scripted, keep_warm_s=0.001) as provider:
        await answer(provider)

    assert scripted.heads.empty()


async def test_a_certificate_nobody_vouches_for_is_not_trusted(tls: ssl.SSLContext) -> None:
    async with ScriptedServer(TEXT).running(tls) as base_url, at(base_url) as provider:
        error = await failure(provider)

    assert error.reason == error_pb2.ERROR_REASON_PROVIDER_UNREACHABLE
    assert "TLS" in error.message
