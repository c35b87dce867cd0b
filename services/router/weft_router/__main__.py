"""Runs the router: `python -m weft_router`."""

import sys

from weft_kit.extras import needs_extra

with needs_extra("router", "router"):
    from weft_kit.catalog.catalog import CatalogError
    from weft_kit.rpc.server import run
    from weft_router.config import Config
    from weft_router.server import router

config = Config.load()
try:
    run("router", lambda: router(config), config.log_format)
except CatalogError as error:
    sys.exit(str(error))
