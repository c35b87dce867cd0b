"""Promise 4: a lost worker costs at most 10 s, and readers see a correct text, gone on with or begun anew.

One worker is killed under six jobs at once, with the log's default settings; the tests look at what became of each.
What may go on from its text and what starts over, as a rule: tests/router/routing/test_retry_policy.py and
tests/router/worker/test_takeover.py.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
import pytest_asyncio
from tests.durability.command_line import ask, first_letter
from tests.durability.environment import Environment
from tests.durability.ledger import Ending, ending, said_by_mock
from tests.support.waiting import until

from weft.common.v1 import chat_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_client.generation import Generation
from weft_client.requests import chat
from weft_mock import answer_to

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.quiet]

MOST_S = 10.0
WORDS = " ".join(map(str, range(150)))
"""What the engine says back at 30 words a second."""
QUESTION = "What is the capital of France?"
IN_JSON = f"{QUESTION} Answer in JSON."
"""A question for one JSON object that does not say so is sent with a sentence that does."""
SLOW_TOKENS = 90


@dataclass
class Loss:
    """What six jobs went through when their worker was killed."""

    killed_unix_s: float
    endings: dict[str, Ending]
    texts: dict[str, str]
    """What readers assembled, those of the Python helper and of the command line."""


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def loss(default_environment: Environment) -> Loss:
    return await lose_a_worker(default_environment)


async def lose_a_worker(environment: Environment) -> Loss:
    first, second = environment.routers
    # All jobs begin with the one that will be lost; the other comes when that is gone.
    second.kill()
    async with AsyncExitStack() as stack:
        weft = await stack.enter_async_context(environment.client())
        # Programs take their time to start, so they come before the helpers.
        commands = {
            "echo on the command line": await ask(environment, "echo", WORDS),
            "mock on the command line": await ask(environment, "slow", QUESTION),
        }
        heard = {name: await first_letter(command) for name, command in commands.items()}
        helpers = {
            "echo": weft.generate(WORDS, model="echo"),
            "mock": weft.generate(QUESTION, model="slow"),
            "structured": weft.run(structured()),
            "tool": weft.run(with_tool()),
        }
        reading = {name: asyncio.create_task(read(generation)) for name, generation in helpers.items()}
        await until("every helper reads", lambda: all_stream(environment, helpers.values()))
        killed_unix_s = time.time()
        first.kill()
        await second.start()
        async with asyncio.timeout(40):
            texts = {name: await task for name, task in reading.items()}
            for name, command in commands.items():
                rest, _ = await command.communicate()
                texts[name] = heard[name] + rest.decode()
        endings = {name: await ending(environment, generation.job_id) for name, generation in helpers.items()}
    return Loss(killed_unix_s, endings, texts)


def structured() -> job_pb2.GenerationRequest:
    request = chat(IN_JSON, model="slow")
    request.response_format.json_object.SetInParent()
    return request


def with_tool() -> job_pb2.GenerationRequest:
    request = chat(QUESTION, model="tool")
    request.tools.append(chat_pb2.Tool(name="find", description="finds things", parameters_schema='{"type": "object"}'))
    return request


async def read(generation: Generation) -> str:
    async for _ in generation:
        pass
    return generation.text


async def all_stream(environment: Environment, generations: Iterable[Generation]) -> bool:
    """Says whether the last word on every job is tokens."""
    if not all(generation.job_id for generation in generations):
        return False
    lasts = [await environment.log.last(generation.job_id) for generation in generations]
    return all(last is not None and last.HasField("delta") for last in lasts)


@pytest.mark.parametrize("name", ["echo", "mock", "structured", "tool"])
async def test_the_next_attempt_starts_in_time(
    loss: Loss, name: str, record_property: Callable[[str, object], None]
) -> None:
    starts = [event for event in loss.endings[name].events if event.HasField("started")]
    lost_s = starts[1].time.ToNanoseconds() / 1e9 - loss.killed_unix_s
    record_property("lost_s", lost_s)
    assert 0 < lost_s < MOST_S


async def test_an_engine_that_takes_a_prefix_goes_on_where_the_text_ends(loss: Loss) -> None:
    found = loss.endings["echo"]
    assert "rewound" not in found.kinds
    second = found.kinds.index("started", found.kinds.index("delta"))
    assert found.starts()[1].resumes_after == found.events[second - 1].sequence
    assert loss.texts["echo"] == found.done.answer.text == WORDS


@pytest.mark.parametrize("name", ["mock", "structured"])
async def test_a_provider_that_takes_none_starts_over(loss: Loss, name: str) -> None:
    found = loss.endings[name]
    [rewound] = [event.rewound for event in found.events if event.HasField("rewound")]
    assert rewound.to_sequence == found.events[0].sequence
    assert found.starts()[1].resumes_after == 0
    is_structured = name == "structured"
    text = answer_to(IN_JSON if is_structured else QUESTION, SLOW_TOKENS, as_json=is_structured)
    assert loss.texts[name] == found.done.answer.text == text


async def test_a_tool_call_starts_over(loss: Loss) -> None:
    found = loss.endings["tool"]
    assert "rewound" in found.kinds
    [call] = found.done.answer.tool_calls
    assert (call.name, call.arguments_json) == ("find", '{"name":"weft"}')
    assert arguments_after_rewinding(found.events) == call.arguments_json


@pytest.mark.parametrize(
    ("name", "text"),
    [("echo on the command line", WORDS), ("mock on the command line", said_by_mock(QUESTION, SLOW_TOKENS))],
)
async def test_the_command_line_shows_the_whole_text(loss: Loss, name: str, text: str) -> None:
    assert text in loss.texts[name]
    assert ("withdrawn" in loss.texts[name]) is name.startswith("mock")


def arguments_after_rewinding(events: list[event_pb2.JobEvent]) -> str:
    since = max(at for at, event in enumerate(events) if event.HasField("rewound"))
    return "".join(call.arguments_json for event in events[since:] for call in event.delta.tool_calls)
