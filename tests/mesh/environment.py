"""The way into the mesh under test."""

from dataclasses import dataclass
from pathlib import Path

from weft_client.client import WeftClient


@dataclass(frozen=True)
class Environment:
    """Where the mesh answers, with two tenants' keys and the operator's token."""

    endpoint: str
    key: str
    other_key: str
    operator_token: str
    inference: str
    state: Path

    def client(self) -> WeftClient:
        return WeftClient(self.endpoint, self.key)

    def other_tenant(self) -> WeftClient:
        return WeftClient(self.endpoint, self.other_key)
