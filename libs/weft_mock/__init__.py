"""A model provider that can be scripted to fail, for tests and benches."""

from weft_mock.chat import ChatRequest, answer_to
from weft_mock.script import Fault, Script, ToolCall
from weft_mock.server import Abort, MockProvider, Stats

__all__ = ["Abort", "ChatRequest", "Fault", "MockProvider", "Script", "Stats", "ToolCall", "answer_to"]
