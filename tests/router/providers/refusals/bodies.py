"""Bodies of refusals, as each provider shapes them."""

import json
from typing import Any


def openai(message: str, kind: str | None = "invalid_request_error", code: Any = None, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "code": code} | more}


def anthropic(message: str, kind: str = "invalid_request_error") -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}


def google(code: int, status: str, message: str, *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


def google_reason(reason: str, **metadata: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "metadata": metadata}


def wrapped(raw: Any, code: int, message: str = "Provider returned error") -> dict[str, Any]:
    metadata = {"raw": raw, "provider_name": "Inner"}
    return {"error": {"message": message, "code": code, "metadata": metadata}, "user_id": "user_1"}


def base_resp(code: int, message: str) -> dict[str, Any]:
    return {"id": "1", "choices": None, "base_resp": {"status_code": code, "status_msg": message}}


TPM = (
    "Request too large for model `m` in organization `o` service tier `on_demand` on tokens per minute (TPM):"
    " Limit 6000, Requested 14368, please reduce your message size and try again."
)


def content(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()
