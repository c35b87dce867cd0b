"""An inference service whose answers the test plays: held back, refused, or broken."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from weft.inference.v1 import inference_pb2 as pb
from weft.inference.v1 import inference_pb2_grpc as rpc
from weft_kit.rpc.context import current, current_tenant
from weft_kit.rpc.errors import WeftError  # noqa: TC001  # as the other names
from weft_kit.rpc.server import Server, Service


class PlayedInference(rpc.InferenceServiceServicer):
    """Embeds every text alike and finds all questions the same. Holds back texts that hold the word "wait"."""

    def __init__(self) -> None:
        self.target = ""
        # A calibrated one, and not the real one's: their vectors would share a field of the index.
        self.embedder = "all-MiniLM-L6-v2-int8-by-piece"
        self.asked: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        """Tenant and text of each embedding."""
        self.left_s: list[float] = []
        """How long each caller would have waited."""
        self.goes_on = asyncio.Event()
        self.compares = asyncio.Event()
        """Cleared, it holds back all comparisons."""
        self.compares.set()
        self.fails_with: list[WeftError] = []

    async def Embed(self, request: pb.EmbedRequest, _: object) -> pb.EmbedResponse:
        self.asked.put_nowait((current_tenant(), request.texts[0]))
        deadline = current().deadline
        if deadline is not None:
            self.left_s.append(deadline - asyncio.get_running_loop().time())
        if self.fails_with:
            raise self.fails_with.pop(0)
        if "wait" in request.texts[0]:
            await self.goes_on.wait()
        return pb.EmbedResponse(embeddings=[pb.Embedding(values=[0.6, 0.8])], embedder=self.embedder)

    async def CompareQuestions(self, request: pb.CompareQuestionsRequest, _: object) -> pb.CompareQuestionsResponse:
        await self.compares.wait()
        comparisons = [pb.QuestionComparison(confidence=0.999) for _ in request.others]
        return pb.CompareQuestionsResponse(comparisons=comparisons, verifier="played")


@asynccontextmanager
async def playing() -> AsyncIterator[PlayedInference]:
    played = PlayedInference()
    service = Service("weft.inference.v1.InferenceService", rpc.add_InferenceServiceServicer_to_server, played)
    async with Server("127.0.0.1:0", [service], grace_s=0) as server:
        played.target = server.address
        yield played
        played.goes_on.set()
        played.compares.set()
