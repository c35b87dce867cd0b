"""Ports that are given out as free stay so for who asked."""

import socket
from contextlib import ExitStack

from weft_compose.ports import LOOPBACK, free_ports, is_free

PICKS = 2_000


def test_a_free_port_is_given_to_nobody_else() -> None:
    first, second = free_ports(20), free_ports(20)
    assert len({*first, *second}) == 40
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(200)]
        for each in sockets:
            each.bind((LOOPBACK, 0))
        assert not {each.getsockname()[1] for each in sockets} & {*first, *second}


def test_no_connection_starts_from_a_free_port() -> None:
    mine = {*free_ports(200)}
    with socket.create_server((LOOPBACK, 0)) as server:
        for _ in range(PICKS):
            with socket.create_connection(server.getsockname()) as connection:
                assert connection.getsockname()[1] not in mine
                server.accept()[0].close()


def test_a_server_listens_on_a_free_port_and_comes_back_to_it() -> None:
    (port,) = free_ports(1)
    for _ in range(2):
        assert is_free(port)
        with socket.create_server((LOOPBACK, port)):
            assert not is_free(port)
