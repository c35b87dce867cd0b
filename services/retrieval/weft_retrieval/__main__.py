"""Runs the retrieval service: `python -m weft_retrieval [serve | work]…`, with one of its roles or both."""

import sys
from functools import partial

from weft_kit.extras import needs_extra

with needs_extra("retrieval", "retrieval"):
    from weft_kit.rpc.server import run
    from weft_retrieval.config import Config
    from weft_retrieval.server import ROLES, retrieval

if __name__ == "__main__":
    roles = sys.argv[1:] or ROLES
    if not set(roles) <= set(ROLES):
        sys.exit(f"usage: python -m weft_retrieval [{' | '.join(ROLES)}]…")
    config = Config.load()
    run("retrieval", partial(retrieval, config, roles), config.log_format)
