"""The providers of the catalog, opened, each with what has been seen of it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from weft.job.v1 import job_pb2
from weft_kit.catalog import Catalog, ModelAlias
from weft_router.health import ProviderHealth
from weft_router.policy import Candidate, provider_failures
from weft_router.providers.port import Provider


@dataclass(frozen=True, slots=True)
class Registered:
    """One provider, ready to be asked."""

    name: str
    kind: str
    provider: Provider
    health: ProviderHealth


class Registry:
    """Knows every provider by name, in the order of the catalog."""

    def __init__(self, catalog: Catalog, providers: Mapping[str, Registered]) -> None:
        self.catalog = catalog
        self.providers = providers

    def serving(self, alias: str) -> list[str]:
        """Return the names of the providers that serve an alias, most preferred first; none for an unknown one."""
        model = self.catalog.models.get(alias)
        return list(dict.fromkeys(route.provider for route in model.routes)) if model else []

    def candidates(self, alias: ModelAlias, attempts: Sequence[job_pb2.Attempt]) -> list[Candidate]:
        """Return the alias's routes with what is known now, and with what this job has been through."""
        now = time.monotonic()
        failures = provider_failures(attempts)
        return [
            Candidate(
                route,
                allowed=self.providers[route.provider].health.breaker.allows(now),
                failures=failures[route.provider],
                expected_first_token_s=self.providers[route.provider].health.expected_first_token_s,
            )
            for route in alias.routes
        ]

    def wait_for_any_s(self, alias: ModelAlias) -> float:
        """Return how long until a breaker of the alias's providers may let a call pass."""
        now = time.monotonic()
        return min(self.providers[route.provider].health.breaker.closed_for_s(now) for route in alias.routes)
