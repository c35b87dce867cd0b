"""What fits on a terminal of 80 columns."""

import io

from rich.console import Console

from weft.router.v1 import router_pb2
from weft_client.render import providers_table


def shown(table):
    text = io.StringIO()
    Console(file=text, width=80).print(table)
    return text.getvalue().splitlines()


def test_a_provider_is_one_line_and_its_last_error_another():
    busy = router_pb2.Provider(
        name="openai-east",
        kind="openai",
        state=router_pb2.Provider.STATE_DEGRADED,
        breaker=router_pb2.Provider.BREAKER_OPEN,
        in_flight=3,
        succeeded=120,
        failed=4,
        last_error="answered 503",
    )
    busy.first_token_p50.FromMilliseconds(840)
    busy.first_token_p95.FromMilliseconds(10_700)
    quiet = router_pb2.Provider(name="local", kind="inference")
    lines = [" ".join(line.split()) for line in shown(providers_table([busy, quiet]))]
    assert lines == [
        "provider kind state 1st token p50/p95 calls",
        "openai-east openai DEGRADED, OPEN 840 ms / 10.7 s 124, 4 failed, 3 now",
        "local inference not asked yet 0",
        "openai-east: answered 503",
    ]
