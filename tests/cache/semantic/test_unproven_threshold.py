"""A target precision that nothing was proven to reach is told when the cache starts."""

import pytest
from structlog.testing import capture_logs

from weft_cache.config import Config
from weft_cache.server import cache

AWAY = {"listen": "127.0.0.1:0", "grace_s": 0.0, "redis_url": "redis://127.0.0.1:1", "inference_target": "127.0.0.1:1"}


@pytest.mark.parametrize(("target", "told"), [(0.92, []), (0.98, [{"target_precision": 0.98, "proven": 0.92}])])
async def test_a_target_beyond_what_was_proven_is_told_at_the_start(target, told):
    with capture_logs() as lines:
        async with cache(Config(**AWAY, target_precision=target)):
            pass
    off = [line for line in lines if line["event"].startswith("the semantic tier is off")]
    assert [{name: line[name] for name in ("target_precision", "proven")} for line in off] == told
