"""Runs the gateway: `python -m weft_gateway [serve | recorder | notifier]…`, with some of its roles or all."""

import sys
from functools import partial

from weft_kit.extras import needs_extra

with needs_extra("gateway", "gateway"):
    from weft_gateway.config import Config
    from weft_gateway.server import ROLES, gateway
    from weft_kit.catalog.catalog import CatalogError
    from weft_kit.rpc.server import run

roles = sys.argv[1:] or ROLES
if not set(roles) <= set(ROLES):
    sys.exit(f"usage: python -m weft_gateway [{' | '.join(ROLES)}]…")
config = Config.load()
try:
    run("gateway", partial(gateway, config, roles), config.log_format)
except CatalogError as error:
    sys.exit(str(error))
