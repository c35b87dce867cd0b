"""Where webhooks of tests arrive."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

from aiohttp import web


@dataclass(frozen=True)
class Post:
    """A webhook as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> Any:
        return json.loads(self.body)

    @property
    def webhook_id(self) -> str:
        return self.headers["webhook-id"]


class WebhookReceiver:
    """Keeps what arrives and answers as told, in order, and then 200; while `open` is clear only /at-once does."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.answer_headers: dict[str, str] = {}
        self.posts: asyncio.Queue[Post] = asyncio.Queue()
        self.open = asyncio.Event()
        self.open.set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}/hook"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        app = web.Application()
        app.router.add_post("/{path:.*}", self._take)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.port = runner.addresses[0][1]
        try:
            yield self
        finally:
            self.open.set()
            await runner.cleanup()

    def judge(self, post: Post) -> int:
        """Returns the status that a post is answered with."""
        return self.answers.pop(0) if self.answers else 200

    async def _take(self, request: web.Request) -> web.Response:
        post = Post(request.path, dict(request.headers), await request.read())
        self.posts.put_nowait(post)
        status = self.judge(post)
        if post.path != "/at-once":
            await self.open.wait()
        return web.Response(status=status, headers=self.answer_headers)
