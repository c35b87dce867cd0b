"""What the samples of perf are counted as."""

import pytest
from bench.profile.native import Frame, Native, object_of, parsed, server_work_of
from bench.profile.stacks import shares

SCRIPT = """\

    2a1b _PyEval_EvalFrameDefault (/usr/lib/libpython3.11.so.1.0)
    77 [unknown] ([unknown])

    cafe finish_task_switch.isra.0 ([kernel.kallsyms])
    4d46b1 github.com/nats-io/nats-server/v2/server.(*msgBlock).writeAt (/a folder/nats-server)
    723939 github.com/nats-io/nats-server/v2/server.(*stream).internalLoop (/a folder/nats-server)

    91250 runtime.mcall (/a folder/nats-server)
"""


@pytest.fixture
def samples() -> list[Native]:
    return list(parsed(SCRIPT.splitlines()))


def test_a_sample_has_its_frames_innermost_first(samples: list[Native]) -> None:
    assert samples[0] == [Frame("_PyEval_EvalFrameDefault", "libpython3.11.so.1.0"), Frame("[unknown]", "[unknown]")]
    assert [len(sample) for sample in samples] == [2, 3, 1]


def test_the_shared_object_is_that_of_the_code_that_ran(samples: list[Native]) -> None:
    found = dict(shares((object_of(sample), 1) for sample in samples))
    assert found == pytest.approx(
        {"the Python interpreter, with its garbage collector": 1 / 3, "the kernel": 1 / 3, "others": 1 / 3}
    )


def test_the_work_of_the_server_is_that_of_any_function_on_the_stack(samples: list[Native]) -> None:
    assert [server_work_of(sample) for sample in samples[1:]] == [
        "storing messages, with fences",
        "Go: its scheduler, timers, memory",
    ]


@pytest.mark.parametrize(
    ("function", "work"),
    [
        ("server.(*client).processUnsub", "subscriptions that begin and end"),
        ("server.(*consumer).processAck", "consumers: what workers and recorder are handed, and their acks"),
        ("server.(*client).flushOutbound", "writing to connections"),
        ("somewhere.else", "others"),
    ],
)
def test_each_work_is_known_by_its_functions(function: str, work: str) -> None:
    assert server_work_of([Frame("syscall.Syscall6", "nats-server"), Frame(function, "nats-server")]) == work
