"""What a profile's stacks are counted as."""

import pytest
from bench.profile.stacks import Stack, parsed, shares

RAW = """\
process 7:python -m weft_gateway;<module> (weft_gateway/__main__.py:14);run (asyncio/runners.py:118);\
write (weft_kit/rpc/interceptor.py:161) 6
<module> (weft_gateway/__main__.py:14);submit (weft_gateway/jobs/jobs.py:40);dumps (json/encoder.py:200) 3
run (asyncio/runners.py:118) 1
"""


@pytest.fixture
def stacks() -> list[Stack]:
    return list(parsed(RAW.splitlines()))


def test_the_package_is_that_of_the_function_that_ran(stacks: list[Stack]) -> None:
    assert shares((stack.package, stack.samples) for stack in stacks) == [
        ("weft_kit", 0.6),
        ("json", 0.3),
        ("asyncio", 0.1),
    ]


def test_the_room_is_the_innermost_of_weft_that_called_it(stacks: list[Stack]) -> None:
    found = shares((stack.room, stack.samples) for stack in stacks)
    assert found == [("weft_kit/rpc", 0.6), ("weft_gateway/jobs", 0.3), ("", 0.1)]


def test_what_the_event_loop_does_by_itself_is_no_rooms(stacks: list[Stack]) -> None:
    [stack] = parsed(["<module> (weft_router/__main__.py:9);run (weft_kit/rpc/server.py:101);poll (asyncio/x.py:3) 2"])
    assert (stack.package, stack.room) == ("asyncio", "")


def test_a_process_at_the_root_is_no_function(stacks: list[Stack]) -> None:
    assert stacks[0].files[0] == "weft_gateway/__main__.py"


@pytest.mark.parametrize("frame", ["<lambda> (inspect.py:1)", "read (threading.py:3)"])
def test_a_module_without_a_folder_is_of_the_standard_library(frame: str) -> None:
    [stack] = parsed([f"{frame} 2"])
    assert (stack.package, stack.room, stack.samples) == ("the standard library", "", 2)
