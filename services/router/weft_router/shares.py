"""What tenants may have of the workers, as the queue asks for it, from the catalog in force."""

from collections.abc import Callable

from weft.job.v1 import event_pb2
from weft_kit.catalog import Catalog
from weft_kit.joblog import tenant_tag
from weft_router import usage


class Shares:
    """Weighs lanes and jobs. `catalog` is asked anew for each: it may change."""

    def __init__(self, catalog: Callable[[], Catalog]) -> None:
        self._catalog = catalog
        self._read: Catalog | None = None
        self._by_tag: dict[str, float] = {}

    def weight(self, lane: str) -> float:
        """Return how much a lane's tenant weighs against others; lanes name tenants by their tags."""
        catalog = self._catalog()
        if catalog is not self._read:
            self._read = catalog
            self._by_tag = {tenant_tag(name): share.weight for name, share in catalog.tenants.items()}
        return self._by_tag.get(lane[1:], catalog.default_share.weight)

    def cost(self, accepted: event_pb2.Accepted) -> int:
        """Return the tokens that a job is expected to take."""
        return usage.expected(accepted, self._catalog().models)
