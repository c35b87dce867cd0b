"""What tenants may have of the workers, as the queue asks for it: by lane."""

from collections.abc import Callable

from weft_kit.catalog import Catalog
from weft_kit.joblog import tenant_tag


def weights(catalog: Catalog) -> Callable[[str], float]:
    """Return how much a lane's tenant weighs against others; lanes name tenants by their tags."""
    by_tag = {tenant_tag(name): share.weight for name, share in catalog.tenants.items()}
    otherwise = catalog.default_share.weight
    return lambda lane: by_tag.get(lane[1:], otherwise)
