"""Which tenants' webhooks go next: slots are few, and one tenant's slow target must not occupy another's."""

from collections import Counter
from collections.abc import Iterable, Mapping


def share_places(free: int, due: Iterable[str], busy: Mapping[str, int], most: int) -> dict[str, int]:
    """Gives free slots to tenants with webhooks due, one at a time, always to a tenant that holds the fewest.

    `busy` counts the places a tenant holds already; no tenant ever holds more than `most`.
    """
    given: Counter[str] = Counter()
    held = {tenant: busy.get(tenant, 0) for tenant in due}
    for level in range(most):
        for tenant, before in held.items():
            if before > level:
                continue
            if given.total() == free:
                return dict(given)
            given[tenant] += 1
    return dict(given)
