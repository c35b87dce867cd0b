"""What a part that ended says is wrong, told from everything else that it wrote."""

import json

import pytest

from weft_compose.log_errors import after_colon, last_errors, last_problem


def service(level: str, event: str, **fields: object) -> str:
    return json.dumps({"event": event, "level": level, **fields})


def test_every_line_of_a_long_list_of_mistakes_is_told():
    mistakes = [f"weft.toml: models.m{number}: is wrong" for number in range(8)]
    assert last_errors("\n".join([service("info", "starting"), *mistakes])) == mistakes


def test_of_a_traceback_the_exception_is_told_and_not_the_stack():
    output = (
        "Traceback (most recent call last):\n"
        '  File "a.py", line 1, in connect\n'
        "    ^^^^\n"
        "ConnectionRefusedError: [Errno 111] Connect call failed\n"
        "\n"
        "The above exception was the direct cause of the following exception:\n"
        "\n"
        "Traceback (most recent call last):\n"
        '  File "b.py", line 2, in main\n'
        "nats.errors.NoServersError: nats: no servers available for connection\n"
    )
    assert last_errors(output) == [
        "ConnectionRefusedError: [Errno 111] Connect call failed",
        "nats.errors.NoServersError: nats: no servers available for connection",
    ]


def test_an_exception_that_was_being_handled_when_the_real_one_came_is_left_out():
    output = (
        "Traceback (most recent call last):\n  File\nKeyError: 'looked up'\n\n"
        "During handling of the above exception, another exception occurred:\n\n"
        "Traceback (most recent call last):\n  File\nValueError: the real one\n"
    )
    assert last_errors(output) == ["ValueError: the real one"]


def test_of_a_group_of_exceptions_each_is_told():
    output = (
        "  + Exception Group Traceback (most recent call last):\n"
        '  |   File "a.py", line 1, in main\n'
        "  | ExceptionGroup: unhandled errors in a TaskGroup (2 sub-exceptions)\n"
        "  +-+---------------- 1 ----------------\n"
        "    | Traceback (most recent call last):\n"
        '    |   File "a.py", line 1, in one\n'
        "    | ValueError: one\n"
        "    +---------------- 2 ----------------\n"
        "    | Traceback (most recent call last):\n"
        '    |   File "a.py", line 1, in two\n'
        "    | ValueError: two\n"
        "    +------------------------------------\n"
    )
    assert last_errors(output) == ["ValueError: one", "ValueError: two"]


@pytest.mark.parametrize(
    ("output", "errors"),
    [
        (
            (
                "[1] 2026/11/29 19:41:22.868264 [INF] Server is ready\n"
                "[1] 2026/11/29 19:41:22.868664 [FTL] Error listening on port: 127.0.0.1:1, address already in use\n"
            ),
            ["Error listening on port: 127.0.0.1:1, address already in use"],
        ),
        (
            (
                "2026-11-29 19:41:48.4 UTC [9] LOG:  starting PostgreSQL\n"
                '2026-11-29 19:41:48.4 UTC [9] LOG:  could not bind IPv4 address "127.0.0.1": Address already in use\n'
                "2026-11-29 19:41:48.4 UTC [9] HINT:  Is another postmaster already running on port 1?\n"
                "2026-11-29 19:41:48.4 UTC [9] FATAL:  could not create any TCP/IP sockets\n"
                "2026-11-29 19:41:48.4 UTC [9] LOG:  database system is shut down\n"
            ),
            [
                'could not bind IPv4 address "127.0.0.1": Address already in use',
                "Is another postmaster already running on port 1?",
                "could not create any TCP/IP sockets",
            ],
        ),
        (
            (
                "8476:M 29 Nov 2026 19:41:22.898 # WARNING: Memory overcommit must be enabled!\n"
                "8476:M 29 Nov 2026 19:41:22.898 * Server initialized\n"
                "8476:M 29 Nov 2026 19:41:22.899 # Failed listening on port 1 (tcp), aborting.\n"
            ),
            ["Failed listening on port 1 (tcp), aborting."],
        ),
        (
            "*** FATAL CONFIG FILE ERROR (Version 9.1.2) ***\nwrong number of arguments\n",
            ["*** FATAL CONFIG FILE ERROR (Version 9.1.2) ***", "wrong number of arguments"],
        ),
    ],
)
def test_each_server_is_understood(output: str, errors: list[str]):
    assert last_errors(output) == errors


def test_a_full_disk_is_told_with_what_to_do():
    output = (
        '2026-11-29 19:41:48 UTC [9] FATAL:  could not write to file "base/4": No space left on device\n'
        "2026-11-29 19:41:48 UTC [9] STATEMENT:  CREATE DATABASE template0\n"
        "\t\n"
        "child process exited with exit code 1\n"
    )
    found = last_errors(output)
    assert found[0] == 'could not write to file "base/4": No space left on device'
    assert "--state" in found[-1]


def test_an_error_of_long_ago_is_not_taken_for_the_last():
    output = "\n".join(
        [service("error", "catalog refused", problems=["old"]), service("info", "call"), "killed by rules"]
    )
    assert last_errors(output) == ["killed by rules"]


def test_a_warning_is_a_problem_and_no_error():
    output = "\n".join([service("warning", "nats lost", error="timeout"), service("info", "call")])
    assert last_errors(output) == []
    assert last_problem(output) == "nats lost: timeout"


def test_what_is_well_complains_of_nothing():
    assert last_problem(service("info", "ready")) == ""


def test_one_error_stays_on_its_line_and_several_get_their_own():
    assert after_colon(["a"]) == " a"
    assert after_colon(["a", "b"]) == "\n  a\n  b"
