"""The signatures of Standard Webhooks, and the secrets they are made with.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

Secrets are derived, never stored: from the operator's key, the tenant and the number of the secret's generation.
PostgreSQL holds only the numbers, so a reader of the database cannot sign; and the same key yields the same secrets
again.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable
from typing import Final

from weft.common.v1 import error_pb2
from weft_kit.rpc.errors import FailedPrecondition

# Names what the key is used for: the same key, used for something else one day, must give other bytes.
_PURPOSE: Final = "weft webhook secret"


def derive_secret(signing_key: str, tenant: str, generation: int) -> bytes:
    """Returns the 32 bytes that sign a tenant's webhooks in one generation."""
    # Zero bytes cannot occur in a tenant, so no two (tenant, generation) are one message.
    message = f"{_PURPOSE}\0{tenant}\0{generation}"
    return hmac.digest(signing_key.encode(), message.encode(), hashlib.sha256)


def show_secret(secret: bytes) -> str:
    """Returns a secret as receivers configure it: `whsec_` and base64."""
    return f"whsec_{base64.b64encode(secret).decode()}"


def signed_headers(secrets: Iterable[bytes], webhook_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Returns the headers of one try.

    Its id, its time in Unix seconds, and a signature for each secret, in their order.
    """
    content = b".".join((webhook_id.encode(), b"%d" % timestamp, body))
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(_signature(secret, content) for secret in secrets),
    }


def webhooks_off() -> FailedPrecondition:
    """What every part that needs the signing key answers without it."""
    message = "this mesh sends no webhooks: set WEFT_GATEWAY_WEBHOOK_SIGNING_KEY and restart the gateway"
    return FailedPrecondition(error_pb2.ERROR_REASON_WEBHOOKS_OFF, message)


def _signature(secret: bytes, content: bytes) -> str:
    return f"v1,{base64.b64encode(hmac.digest(secret, content, hashlib.sha256)).decode()}"
