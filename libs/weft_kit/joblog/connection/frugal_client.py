"""nats-py's client at less cost: what every job does several times goes without tasks, queues and regular expressions.

A job is four or more writes, each a request, and a subscription of its own for its reader. As nats-py does them, a
reply passes a queue and a task before it wakes who waits for it, and so does every message of a subscription.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any, Final

import nats.protocol.parser
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import ConnectionClosedError, NoRespondersError, OutboundBufferLimitError
from nats.errors import TimeoutError as NatsTimeout

_CRLF: Final = b"\r\n"
_STATUS: Final = "Status"
_NO_RESPONDERS: Final = "503"
_MOST_UNSENT_BYTES: Final = 64 * 1024
_NOTHING_WAITS: Final[asyncio.Queue[Msg]] = asyncio.Queue()
"""The queue of every subscription whose messages are delivered as they are read."""


class FrugalClient(Client):
    """nats-py's client, which tells many of a reconnect, bears a closed transport, and takes less CPU a message.

    The methods that are replaced are private but for `request`: should nats-py rename one, its own takes over.
    """

    def __init__(self) -> None:
        super().__init__()
        self._reconnect_hooks: dict[Callable[[], None], None] = {}
        self._ps = _Parser(self)
        self._replies: dict[str, _Reply] = {}
        self._reply_prefix = ""
        self._requests = count()

    def on_reconnect(self, hook: Callable[[], None]) -> None:
        """Calls `hook` after every reconnect: a server forgets what a connection had asked for when that ends."""
        self._reconnect_hooks[hook] = None

    def forget_reconnect(self, hook: Callable[[], None]) -> None:
        self._reconnect_hooks.pop(hook, None)

    def reconnected(self) -> None:
        for hook in tuple(self._reconnect_hooks):
            hook()

    async def listen(self, subject: str, deliver: Callable[[Msg], None]) -> Subscription:
        """Subscribes: each message goes to `deliver` as it is read off the connection, which waits meanwhile."""
        subscription = await self.subscribe(subject, future=_Listener(deliver))  # type: ignore[arg-type]
        # Every open stream has a subscription; a queue that nothing enters would take 3 KB of each.
        subscription._pending_queue = _NOTHING_WAITS  # noqa: SLF001
        return subscription

    async def request(
        self,
        subject: str,
        payload: bytes = b"",
        timeout: float = 0.5,  # noqa: ASYNC109  # nats-py's signature
        old_style: bool = False,  # noqa: FBT001, FBT002, ARG002  # nats-py's signature
        headers: dict[str, Any] | None = None,
    ) -> Msg:
        """Sends a message and returns the reply to it; `timeout` is in seconds. Headers hold no line breaks.

        Raises:
            nats.errors.TimeoutError: no reply came in time.
            nats.errors.NoRespondersError: nobody listens to the subject.
        """
        return await self._ask(subject, payload, _Reply(timeout), headers)

    async def request_many(self, subject: str, payload: bytes, silence_s: float) -> list[Msg]:
        """Sends a message and returns the replies to it, the last of which is the first that has a status.

        Raises:
            nats.errors.TimeoutError: none came for `silence_s`.
            nats.errors.NoRespondersError: nobody listens to the subject.
        """
        replies = _Replies(silence_s)
        await self._ask(subject, payload, replies, None)
        return replies.messages

    async def _ask(self, subject: str, payload: bytes, reply: "_Reply", headers: dict[str, Any] | None) -> Msg:
        """Sends a message, waits until the reply is whole, and returns the last message of it."""
        if not self._reply_prefix:
            await self._listen_for_replies()
        token = str(next(self._requests))
        self._replies[token] = reply
        try:
            await self.publish(subject, payload, self._reply_prefix + token, headers)
            message = await reply.whole
        finally:
            reply.timer.cancel()
            del self._replies[token]
        if message.headers and message.headers.get(_STATUS) == _NO_RESPONDERS:
            raise NoRespondersError
        return message

    async def _listen_for_replies(self) -> None:
        prefix = self.new_inbox() + "."
        self._reply_prefix = prefix
        await self.listen(f"{prefix}*", self._take_reply)

    def _take_reply(self, message: Msg) -> None:
        reply = self._replies.get(message.subject.rpartition(".")[2])
        if reply is not None:
            reply.take(message)

    def post(self, subject: str, payload: bytes) -> None:
        """Sends a few bytes without waiting. While the connection is away they are kept, as far as there is room.

        Raises:
            nats.errors.OutboundBufferLimitError: there is none.
            nats.errors.ConnectionClosedError: it will not come back.
        """
        if self.is_closed:
            raise ConnectionClosedError
        if not self.is_connected and self._pending_data_size + len(payload) > self._max_pending_size:
            raise OutboundBufferLimitError
        self._enqueue(subject, "", payload, None)

    def keep(self, delivery_id: str) -> None:
        """Tells the server that a delivery is still being worked on, which starts its ack wait anew.

        Without room for that nothing is said, and nothing raised: it is said again with the next heartbeat.
        """
        with suppress(OutboundBufferLimitError, ConnectionClosedError):
            self.post(delivery_id, b"+WPI")

    async def _send_publish(
        self,
        subject: str,
        reply: str,
        payload: bytes,
        payload_size: int,  # noqa: ARG002  # nats-py's signature
        headers: dict[str, Any] | None,
    ) -> None:
        self._enqueue(subject, reply, payload, headers)
        if self._pending_data_size > self._max_pending_size:
            await self._flush_pending(force_flush=True)

    def _enqueue(self, subject: str, reply: str, payload: bytes, headers: dict[str, Any] | None) -> None:
        """Writes a message at once if no other request waits for its reply, or else leaves it to the flusher.

        As with Nagle's algorithm (RFC 896), one message alone is not delayed, and many under way are sent together.
        """
        command = _publish_command(subject, reply, payload, headers)
        self.stats["out_msgs"] += 1
        self.stats["out_bytes"] += len(payload)
        if len(self._replies) <= 1 and not self._pending and self._writes_at_once(command):
            return
        self._pending.append(command)
        self._pending_data_size += len(command)
        if self.is_connected and self._flush_queue is not None and self._flush_queue.empty():
            self._flush_queue.put_nowait(asyncio.get_running_loop().create_future())

    def _writes_at_once(self, command: bytes) -> bool:
        """Writes to the connection; returns False, without writing, where it may not be there or takes no more now."""
        writer = getattr(self._transport, "_io_writer", None)  # which a WebSocket has not
        if writer is None or not self.is_connected or writer.transport.get_write_buffer_size() > _MOST_UNSENT_BYTES:
            return False
        try:
            writer.write(command)
        except RuntimeError:  # so uvloop refuses where the connection has just ended
            return False
        return True

    async def _flush_pending(self, force_flush: bool = False) -> Any:  # noqa: FBT001, FBT002  # nats-py's signature
        try:
            return await super()._flush_pending(force_flush)
        except RuntimeError:
            # So uvloop refuses where the connection has just ended. What is pending goes out with the next one.
            flushed = asyncio.get_running_loop().create_future()
            flushed.set_result(None)
            return flushed

    @staticmethod
    def _parse_header_lines(raw: bytes) -> dict[str, str]:
        headers = {}
        for line in raw.decode("utf-8", "replace").split("\r\n"):
            name, colon, value = line.partition(":")
            if colon:
                headers[name] = value.strip()
        return headers


class _Reply:
    """The reply to one request: one message, with which it is whole."""

    __slots__ = ("timer", "whole")

    def __init__(self, timeout_s: float) -> None:
        loop = asyncio.get_running_loop()
        self.whole: asyncio.Future[Msg] = loop.create_future()
        self.timer = loop.call_later(timeout_s, _give_up, self.whole)

    def take(self, message: Msg) -> None:
        if not self.whole.done():
            self.whole.set_result(message)


class _Replies(_Reply):
    """A reply of many messages, up to one with a status."""

    __slots__ = ("_silence_s", "messages")

    def __init__(self, silence_s: float) -> None:
        super().__init__(silence_s)
        self._silence_s = silence_s
        self.messages: list[Msg] = []

    def take(self, message: Msg) -> None:
        if self.whole.done():
            return
        self.messages.append(message)
        if message.headers and _STATUS in message.headers:
            self.whole.set_result(message)
            return
        self.timer.cancel()
        self.timer = self.whole.get_loop().call_later(self._silence_s, _give_up, self.whole)


def _give_up(whole: "asyncio.Future[Msg]") -> None:
    if not whole.done():
        whole.set_exception(NatsTimeout())


class _Listener:
    """Takes the place of the future that nats-py gives the reply to a lone request: any number of messages may come."""

    def __init__(self, deliver: Callable[[Msg], None]) -> None:
        self._deliver = deliver

    def cancelled(self) -> bool:
        return False

    def set_result(self, message: Msg) -> None:
        try:
            self._deliver(message)
        except Exception:  # noqa: BLE001  # it would end the reading of the connection
            structlog.get_logger().exception("a message cannot be taken in", subject=message.subject)


class _Parser(nats.protocol.parser.Parser):
    """Cuts messages out of what was read, and leaves to nats-py what is none: it tries one expression after another."""

    async def parse(self, data: bytes = b"") -> None:
        if self.state != nats.protocol.parser.AWAITING_CONTROL_LINE:  # nats-py has begun a message
            await super().parse(data)
            return
        self.buf.extend(data)
        await self._messages()
        if self.buf and not self.buf.startswith((b"MSG ", b"HMSG ")):
            await super().parse()

    async def _messages(self) -> None:
        """Delivers the messages that are here as a whole, up to what is no message."""
        buffer, begin = self.buf, 0
        try:
            while (end := buffer.find(_CRLF, begin)) >= 0:
                operation, *parts = buffer[begin:end].split()
                if operation == b"HMSG":
                    headers_bytes, size = int(parts[-2]), int(parts[-1])
                elif operation == b"MSG":
                    headers_bytes, size = 0, int(parts[-1])
                else:
                    return
                first = end + len(_CRLF)
                if len(buffer) < first + size + len(_CRLF):
                    return
                body = bytes(buffer[first : first + size])
                begin = first + size + len(_CRLF)
                reply = bytes(parts[2]) if len(parts) > (4 if headers_bytes else 3) else b""
                await self.nc._process_msg(  # noqa: SLF001  # what nats-py's own parser calls
                    int(parts[1]), bytes(parts[0]), reply, body[headers_bytes:], body[:headers_bytes]
                )
        finally:
            del buffer[:begin]


def _publish_command(subject: str, reply: str, payload: bytes, headers: dict[str, Any] | None) -> bytes:
    if not headers:
        return b"PUB %b %b %d\r\n%b\r\n" % (subject.encode(), reply.encode(), len(payload), payload)
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    block = f"NATS/1.0\r\n{lines}\r\n".encode()
    size = len(block) + len(payload)
    return b"HPUB %b %b %d %d\r\n%b%b\r\n" % (subject.encode(), reply.encode(), len(block), size, block, payload)
