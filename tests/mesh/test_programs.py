"""What people type: buf curl through reflection, and the weft command line, against the running mesh."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.mesh.environment import Environment

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def run(*argv: str | Path) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *map(str, argv), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    stdout, stderr = await process.communicate()
    return process.returncode or 0, stdout.decode(), stderr.decode()


async def weft(environment: Environment, programs: Path, *arguments: str | Path) -> str:
    code, stdout, stderr = await run(programs / "weft", "--state", environment.state, *arguments)
    assert code == 0, stderr
    return stdout


async def weft_json(environment: Environment, programs: Path, *arguments: str | Path) -> Any:
    return json.loads(await weft(environment, programs, *arguments, "--json"))


async def test_buf_curl_generates_through_reflection(environment: Environment, programs: Path) -> None:
    question = {
        "request": {
            "model": "default",
            "messages": [{"role": "ROLE_USER", "parts": [{"text": "Say hi."}]}],
            "sampling": {"maxTokens": 8},
        }
    }
    code, stdout, stderr = await run(
        programs / "buf",
        "curl",
        "--protocol=grpc",
        "--http2-prior-knowledge",
        "--header",
        f"authorization: Bearer {environment.key}",
        "--data",
        json.dumps(question),
        f"http://{environment.endpoint}/weft.gateway.v1.GatewayService/Generate",
    )
    assert code == 0, stderr
    decoder, events, rest = json.JSONDecoder(), [], stdout.strip()
    while rest:
        event, end = decoder.raw_decode(rest)
        events.append(event["event"])
        rest = rest[end:].lstrip()
    assert "accepted" in events[0]
    assert events[-1]["done"]["state"] == "JOB_STATE_SUCCEEDED"


async def test_buf_curl_lists_every_public_service(environment: Environment, programs: Path) -> None:
    url = f"http://{environment.endpoint}"
    code, stdout, stderr = await run(
        programs / "buf", "curl", "--protocol=grpc", "--http2-prior-knowledge", "--list-services", url
    )
    assert code == 0, stderr
    assert {
        "weft.gateway.v1.GatewayService",
        "weft.gateway.v1.KeyService",
        "weft.retrieval.v1.RetrievalService",
        "weft.router.v1.RouterService",
        "weft.cache.v1.CacheService",
    } <= set(stdout.split())


async def test_a_question_asked_on_the_command_line_streams_and_shows_its_record(
    environment: Environment, programs: Path
) -> None:
    shown = await weft(environment, programs, "ask", "Who keeps the Harrow light?", "--collection", "handbook")
    assert "succeeded" in shown.lower()
    assert "light.md" in shown


async def test_a_detached_job_can_be_tailed_listed_and_shown(environment: Environment, programs: Path) -> None:
    submitted = await weft_json(environment, programs, "ask", "Count to three.", "--detach", "--max-tokens", "12")
    job_id = submitted["job_id"]
    tailed = await weft_json(environment, programs, "tail", job_id)
    assert tailed["state"] == "JOB_STATE_SUCCEEDED"
    assert (await weft_json(environment, programs, "job", job_id))["answer"]["text"] == tailed["answer"]["text"]
    assert isinstance(await weft_json(environment, programs, "jobs"), list)
    cancelled = await weft_json(environment, programs, "cancel", job_id)
    assert cancelled["state"] == "JOB_STATE_SUCCEEDED"


async def test_documents_are_ingested_and_found(environment: Environment, programs: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.md").write_text("# The mine\n\nThe Corbel mine closed in 1931 after the flood.\n")
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 nothing")
    code, shown, stderr = await run(
        programs / "weft", "--state", environment.state, "ingest", tmp_path, "--collection", "mines"
    )
    assert code != 0
    assert "broken.pdf" in shown + stderr
    hits = await weft_json(environment, programs, "search", "When did the Corbel mine close?", "--collection", "mines")
    assert "1931" in hits[0]["text"]


async def test_the_operator_creates_lists_and_revokes_keys(environment: Environment, programs: Path) -> None:
    created = await weft_json(environment, programs, "keys", "create", "--tenant", "acme", "--name", "ci")
    key_id = created["key"]["key_id"]
    listed = await weft_json(environment, programs, "keys", "list")
    assert key_id in {key["key_id"] for key in listed}
    assert not any("secret" in key for key in listed)
    await weft(environment, programs, "keys", "revoke", key_id)


async def test_status_providers_models_and_cache_are_shown(environment: Environment, programs: Path) -> None:
    parts = await weft_json(environment, programs, "status")
    assert "gateway" in json.dumps(parts)
    assert {p["name"] for p in await weft_json(environment, programs, "providers")} == {"local", "gone"}
    assert {m["name"] for m in await weft_json(environment, programs, "models")} == {"default", "unreachable"}
    assert "time_to_live" in await weft_json(environment, programs, "cache", "stats")


async def test_an_error_is_one_line_that_says_what_to_do(environment: Environment, programs: Path) -> None:
    code, _, stderr = await run(programs / "weft", "--state", environment.state, "job", "no-such-job")
    assert code != 0
    assert "Traceback" not in stderr
    assert len(stderr.strip().splitlines()) == 1
