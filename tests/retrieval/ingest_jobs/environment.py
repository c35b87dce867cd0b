"""A retrieval service over a log and a database of its own, with workers or without."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from tests.retrieval.conftest import Client
from tests.retrieval.ingest_jobs.ingest_client import IngestClient

from weft_client.retry import Patience
from weft_kit.rpc.channel import Channel
from weft_kit.rpc.errors import WeftError
from weft_retrieval.config import Config

# PostgreSQL shows what it holds of a tenant to nobody else, this test included.
INSIDE = "-c role=weft_retrieval -c weft.tenant=acme"


@dataclass(frozen=True)
class Environment:
    """A retrieval service over a log and a database of its own."""

    config: Config
    channel: Channel

    @property
    def client(self) -> Client:
        return Client(self.channel, "acme")

    def ingest(self, tenant: str = "acme") -> IngestClient:
        return IngestClient(self.channel, tenant)

    async def ready(self) -> None:
        """Makes the collection, as soon as PostgreSQL is migrated."""
        patience = Patience(20)
        while True:
            try:
                await self.client.create()
            except WeftError as failure:
                await patience.outlast(failure)
            else:
                return

    def sql(self, query: str) -> Any:
        with psycopg.connect(self.config.postgres_url, options=INSIDE) as session:
            return session.execute(query).fetchone()[0]


Running = Callable[..., AbstractAsyncContextManager[Environment]]
"""Runs roles of a service, all unless some are named, as its settings say."""


async def refused(call) -> WeftError:
    with pytest.raises(WeftError) as caught:
        await call
    return caught.value
