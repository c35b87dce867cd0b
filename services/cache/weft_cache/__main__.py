"""python -m weft_cache: the cache service."""

from functools import partial

from weft_kit.extras import needs_extra

with needs_extra("cache", "cache"):
    from weft_cache.config import Config
    from weft_cache.server import cache
    from weft_kit.rpc.server import run

if __name__ == "__main__":
    config = Config.load()
    run("cache", partial(cache, config), config.log_format)
