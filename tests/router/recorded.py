"""Streams of each format, written by hand after what the providers send, and what they come to."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from weft.common.v1 import chat_pb2
from weft.inference.v1 import inference_pb2
from weft.job.v1 import event_pb2
from weft_router.job.transcript import AnswerSoFar
from weft_router.providers.anthropic.messages_answer import MessagesAnswer
from weft_router.providers.gemini.answer import GenerateContentAnswer
from weft_router.providers.openai.chat_answer import ChatAnswer
from weft_router.providers.openai.responses_answer import ResponsesAnswer
from weft_router.providers.provider import Step
from weft_router.providers.stream_reader import Answer, StreamReader

FOLDER = Path(__file__).parent / "recordings"
NAMES = sorted(path.stem for path in FOLDER.glob("*.sse"))

_ANSWERS = {
    "openai": ChatAnswer,
    "responses": ResponsesAnswer,
    "anthropic": MessagesAnswer,
    "gemini": GenerateContentAnswer,
}


def raw(name: str) -> bytes:
    return (FOLDER / f"{name}.sse").read_bytes()


def answer(name: str) -> Answer:
    reader = _ANSWERS[name.partition("-")[0]]()
    reader.calls.own_id = "call"  # by chance otherwise, and never the same twice
    return reader


def pieces(content: bytes, size: int) -> Iterator[bytes]:
    return (content[start : start + size] for start in range(0, len(content), size))


class Whole:
    """All that an answer's steps say."""

    def __init__(self, steps: Iterable[Step]) -> None:
        self.said = AnswerSoFar()
        self.finished: inference_pb2.Finished | None = None
        for step in steps:
            assert self.finished is None, "nothing follows the end"
            match step:
                case event_pb2.Delta():
                    self.said.add(step)
                case inference_pb2.Finished():
                    self.finished = step

    @property
    def usage(self) -> chat_pb2.Usage:
        assert self.finished is not None
        return self.finished.usage

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Whole) and self._facts() == other._facts()

    def _facts(self) -> tuple[object, ...]:
        said = self.said
        return said.text, said.reasoning, said.tool_calls, said.token_count, self.finished

    __hash__ = None  # type: ignore[assignment]


def read(reader: Answer, chunks: Iterable[bytes]) -> Whole:
    """Read a whole body."""
    reading = StreamReader(reader)
    steps = [step for chunk in chunks for step in reading.read(chunk)]
    return Whole([*steps, *reading.end()])
