"""A script, played on one connection."""

import asyncio
import json
import time
from typing import Protocol

from weft_mock import faults, sse, wire
from weft_mock.chat import ChatRequest, answer_tokens, usage
from weft_mock.script import Fault, Script

_STAMP = b"data: the time\n\n"  # a placeholder for a token that is made when it is sent
_PAGE = b"<!doctype html><html><body><h1>Bad gateway</h1></body></html>"


class Line(Protocol):
    """The part of a connection that a performance needs."""

    def write(self, data: bytes) -> None:
        """Sends bytes."""

    def close(self) -> None:
        """Ends the connection properly."""

    def reset(self) -> None:
        """Breaks the connection off."""


def error_body(status: int, message: str) -> bytes:
    """Returns an error in the provider's own form."""
    return json.dumps({"error": {"message": message, "type": "mock_error", "code": status}}).encode()


class Performance:
    """Answers one chat request as its script says."""

    def __init__(self, script: Script, chat: ChatRequest, line: Line) -> None:
        self._script, self._chat, self._line = script, chat, line
        texts = [] if script.stamp else answer_tokens(script, chat.messages, as_json=chat.wants_json)
        stamps = [_STAMP] * script.tokens if script.stamp else []
        self._text = "".join(texts)
        self._events = stamps + sse.tokens(chat.model, texts) + sse.tool_calls(chat.model, script.tool_calls)
        self._reason = "tool_calls" if script.tool_calls else script.finish_reason
        self._counts = usage(chat.messages, len(self._events)) if script.usage else None

    async def play(self) -> None:
        """Sends the answer. The connection cancels this when the client leaves."""
        script = self._script
        if script.fault is Fault.HANG_BEFORE_HEADERS:
            await _forever()
        if script.status != 200 or script.fault is Fault.HTML:
            await asyncio.sleep(script.first_token_s)
            await self._send(self._refusal())
        elif self._chat.stream:
            await self._stream()
        else:
            await self._answer()

    def _refusal(self) -> bytes:
        script = self._script
        if script.fault is Fault.HTML:
            return wire.whole(script.status, "text/html", _PAGE, script.retry_after)
        body = error_body(script.status, f"the script answers {script.status}")
        return wire.whole(script.status, wire.JSON, body, script.retry_after)

    async def _stream(self) -> None:
        script, model = self._script, self._chat.model
        head = wire.stream_head(200, faults.content_type(script.fault, wire.SSE))
        if script.fault is Fault.HANG_AFTER_HEADERS:
            self._line.write(head)
            await _forever()
        await asyncio.sleep(script.first_token_s)
        first, *rest = faults.spoilt_events(script, model, self._events) or [b""]
        await self._send(head + wire.chunk(sse.role(model) + self._leaving(first)))
        ending = faults.spoilt_ending(script.fault, model, sse.finish(model, self._reason) + self._usage_event())
        await self._send_paced(rest, ending)
        await self._leave()

    def _usage_event(self) -> bytes:
        if self._counts is None or not self._chat.include_usage:
            return b""
        return sse.usage(self._chat.model, self._counts)

    async def _send_paced(self, events: list[bytes], ending: bytes) -> None:
        """Sends everything in one write, or one event at a time when the script gives a pace."""
        if self._script.tokens_per_second == 0:
            await asyncio.sleep(0)  # the first token leaves on its own
            await self._send(wire.chunk(b"".join(map(self._leaving, events))) + ending)
            return
        for event in events:
            await asyncio.sleep(1 / self._script.tokens_per_second)
            await self._send(wire.chunk(self._leaving(event)))
        await self._send(ending)

    def _leaving(self, event: bytes) -> bytes:
        return sse.tokens(self._chat.model, [_stamp()])[0] if event is _STAMP else event

    async def _answer(self) -> None:
        """The whole answer, after as long as its stream would have taken."""
        script = self._script
        rest_s = len(self._events) / script.tokens_per_second if script.tokens_per_second else 0.0
        await asyncio.sleep(script.first_token_s + rest_s)
        await self._send(faults.spoilt_reply(script.fault, self._whole()))
        await self._leave()

    def _whole(self) -> bytes:
        script, chat = self._script, self._chat
        text = self._text or "".join(_stamp() for event in self._events if event is _STAMP)
        text = "x" * script.huge_bytes if script.fault is Fault.HUGE_EVENT else text
        body = sse.completion(chat.model, text, script.tool_calls, self._reason, self._counts)
        content_type = faults.content_type(script.fault, wire.JSON)
        return wire.whole(200, content_type, faults.spoilt_body(script.fault, body))

    async def _send(self, data: bytes) -> None:
        piece = self._script.piece_bytes or len(data)
        for start in range(0, len(data), piece or 1):
            self._line.write(data[start : start + piece])
            if piece < len(data):
                await asyncio.sleep(self._script.piece_s)

    async def _leave(self) -> None:
        """Does to the connection what the script's fault does after the last byte."""
        await asyncio.sleep(0)  # the event loop sends what was written before the connection goes
        match self._script.fault:
            case Fault.HANG | Fault.HANG_AFTER_HEADERS:
                await _forever()
            case Fault.RESET:
                self._line.reset()
            case Fault.CLOSE:
                self._line.close()


def _stamp() -> str:
    return f"{time.time_ns()} "


async def _forever() -> None:
    """Waits until the client leaves."""
    await asyncio.Event().wait()
