"""Has a loaded process fork a fork server, and lives as long as that: `connect_fork_server.py NAME WINDOW [TOKENIZER]`.

It is run by its path and without site packages: it must start at once.
"""

import socket
import sys

name, window_tokens, tokenizer = (*sys.argv[1:], "")[:3]
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
    connection.connect(f"\0{name}")
    socket.send_fds(connection, [f"{window_tokens}\0{tokenizer}".encode()], [0])
    sys.stdin.close()
    connection.recv(1)
