"""What tenants may have of the workers, as the queue asks for it, from the catalog in force."""

from collections.abc import Callable

from weft.job.v1 import event_pb2
from weft_kit.catalog.catalog import Catalog, TenantShare
from weft_kit.joblog import tenant_tag
from weft_router.job import usage


class TenantWeights:
    """Weighs lanes and jobs. `catalog` is asked anew for each: it may change."""

    def __init__(self, catalog: Callable[[], Catalog]) -> None:
        self._catalog = catalog
        self._read: Catalog | None = None
        self._by_tag: dict[str, TenantShare] = {}

    def weight(self, tag: str) -> float:
        """Returns how much a tenant weighs against others; lanes name tenants by their tags."""
        return self._share(tag).weight

    def is_expedited(self, tag: str) -> bool:
        """Says whether a tenant's urgent jobs go before everybody's."""
        return self._share(tag).expedited

    def cost(self, accepted: event_pb2.Accepted) -> int:
        """Returns the tokens that a job is expected to take."""
        return usage.expected(accepted, self._catalog().models)

    def _share(self, tag: str) -> TenantShare:
        catalog = self._catalog()
        if catalog is not self._read:
            self._read = catalog
            self._by_tag = {tenant_tag(name): share for name, share in catalog.tenants.items()}
        return self._by_tag.get(tag, catalog.default_share)
