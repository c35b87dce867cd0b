"""Asks a service for its health, for container health checks: `python -m weft_kit.probe [ADDRESS] [--service NAME]`.

Exits with 0 if it serves, 1 if it does not serve or does not answer, 2 if the address is not clear.
"""

import argparse
import os
import re
import sys
from collections.abc import Mapping

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

_LISTEN = re.compile(r"WEFT_[A-Z]+_LISTEN")
_HERE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]", "": "127.0.0.1"}


class Unclear(Exception):
    """It is not clear which address to ask."""


def listening_address(environ: Mapping[str, str]) -> str:
    """Returns the address, seen from this machine, of the service that these variables configure.

    Raises:
        Unclear: they configure no service, or several.
    """
    told = {name: value for name, value in environ.items() if _LISTEN.fullmatch(name)}
    if len(told) != 1:
        raise Unclear(f"name an ADDRESS: {', '.join(sorted(told)) or 'no WEFT_…_LISTEN'} is set, where one should be")
    host, _, port = next(iter(told.values())).rpartition(":")
    return f"{_HERE.get(host, host)}:{port}"


def ask(address: str, service: str, limit_s: float) -> str:
    """Returns the status of a service at an address, by its name in grpc.health.v1, or the error."""
    with grpc.insecure_channel(address) as channel:
        try:
            request = health_pb2.HealthCheckRequest(service=service)
            reply = health_pb2_grpc.HealthStub(channel).Check(request, timeout=limit_s)
        except grpc.RpcError as error:
            return f"{error.code().name}: {error.details()}"
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m weft_kit.probe", description=__doc__)
    parser.add_argument("address", nargs="?", help="host:port; by default that of the one WEFT_…_LISTEN that is set")
    parser.add_argument(
        "--service", default="", help='"" (the default) asks whether it is ready, "liveness" whether it is alive'
    )
    parser.add_argument("--limit-s", type=float, default=2.0, help="seconds to wait for the answer; default 2")
    given = parser.parse_args()
    try:
        address = given.address or listening_address(os.environ)
    except Unclear as unclear:
        sys.stderr.write(f"{unclear}\n")
        return 2
    status = ask(address, given.service, given.limit_s)
    sys.stdout.write(f"{address} {status}\n")
    return 0 if status == "SERVING" else 1


if __name__ == "__main__":
    sys.exit(main())
