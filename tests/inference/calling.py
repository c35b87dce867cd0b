"""The inference service as its callers see it, and requests as they write them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tests.support.waiting import until

from weft.common.v1 import chat_pb2
from weft.inference.v1 import inference_pb2 as pb
from weft.inference.v1 import inference_pb2_grpc as rpc
from weft_inference.config import Config
from weft_inference.engines.engine import Engine
from weft_inference.server import build_engine, serving
from weft_kit.rpc.channel import Channel


class Client:
    """The service as its callers see it."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.stub = rpc.InferenceServiceStub(channel.raw)

    def generating(self, request: pb.GenerateRequest, limit_s: float = 60):
        return self.channel.streaming(self.stub.Generate(request, **self.channel.call(limit_s)))

    async def generate(self, request: pb.GenerateRequest) -> tuple[str, list[pb.GenerateResponse]]:
        """Returns the text and every event."""
        async with self.generating(request) as events:
            got = [event async for event in events]
        return "".join(event.delta.text for event in got), got

    async def engine(self) -> pb.GetEngineResponse:
        return await self.channel.unary(self.stub.GetEngine(pb.GetEngineRequest(), **self.channel.call(10)))

    async def engine_once(self, is_so: Callable[[pb.GetEngineResponse], bool]) -> pb.GetEngineResponse:
        """Asks until the engine's state is as described."""

        async def look() -> pb.GetEngineResponse | None:
            engine = await self.engine()
            return engine if is_so(engine) else None

        return await until("the engine is so", look, within_s=20)

    async def embed(self, *texts: str) -> pb.EmbedResponse:
        return await self.channel.unary(self.stub.Embed(pb.EmbedRequest(texts=texts), **self.channel.call(30)))

    async def rerank(self, query: str, *documents: str, top_k: int = 0) -> pb.RerankResponse:
        request = pb.RerankRequest(query=query, documents=documents, top_k=top_k)
        return await self.channel.unary(self.stub.Rerank(request, **self.channel.call(30)))

    async def compare(self, question: str, *others: str) -> pb.CompareQuestionsResponse:
        request = pb.CompareQuestionsRequest(question=question, others=others)
        return await self.channel.unary(self.stub.CompareQuestions(request, **self.channel.call(30)))


@asynccontextmanager
async def calling(config: Config, engine: Engine | None = None) -> AsyncIterator[Client]:
    """Starts a service on a free port, with the configured engine unless one is given, and calls it."""
    async with (
        serving(config, engine or build_engine(config)) as server,
        Channel(server.address, "inference") as channel,
    ):
        yield Client(channel)


def on_a_free_port(**settings) -> Config:
    return Config(listen="127.0.0.1:0", **settings)


def asking(text: str, **fields) -> pb.GenerateRequest:
    """Writes a request of one user message; sampling fields may be given by name."""
    names = chat_pb2.SamplingParams.DESCRIPTOR.fields_by_name
    sampling = {name: fields.pop(name) for name in list(fields) if name in names}
    message = chat_pb2.Message(role=chat_pb2.ROLE_USER, parts=[chat_pb2.ContentPart(text=text)])
    return pb.GenerateRequest(messages=[message], sampling=chat_pb2.SamplingParams(**sampling), **fields)


def json_schema(text: str) -> chat_pb2.ResponseFormat:
    return chat_pb2.ResponseFormat(json_schema=chat_pb2.JsonSchemaFormat(name="answer", schema_json=text))
