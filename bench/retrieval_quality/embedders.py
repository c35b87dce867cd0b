"""Embedders for measuring: the real one with a memory, and one that needs no CPU time."""

import hashlib
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weft.inference.v1 import inference_pb2 as pb
from weft.inference.v1 import inference_pb2_grpc as rpc
from weft_compose.child import Child, Command
from weft_compose.ports import free_ports
from weft_kit.rpc.channel import Channel
from weft_kit.rpc.server import Server, Service

_LIMIT_S = 600.0
_NOISE = 0.3


class Remembering(rpc.InferenceServiceServicer):
    """Forwards to a real inference service; texts read in an earlier run are answered from a file."""

    def __init__(self, channel: Channel, name: str, path: Path | None) -> None:
        self.name = name
        self._stub = rpc.InferenceServiceStub(channel.raw)
        self._path = path
        self._known: dict[str, NDArray[np.float32]] = {}
        self._unread: dict[str, float] = {}
        stored = np.load(path) if path and path.exists() else {}
        if "unread" in stored:  # else an earlier version wrote it
            keys = stored["keys"].tolist()
            self._known = dict(zip(keys, stored["vectors"], strict=True))
            self._unread = dict(zip(keys, stored["unread"].tolist(), strict=True))

    async def Embed(self, request: pb.EmbedRequest, _: object) -> pb.EmbedResponse:
        keys = [hashlib.sha256(f"{self.name}\0{text}".encode()).hexdigest() for text in request.texts]
        new = [at for at, key in enumerate(keys) if key not in self._known]
        if new:
            answer = await self._stub.Embed(pb.EmbedRequest(texts=[request.texts[at] for at in new]), timeout=_LIMIT_S)
            for at, embedding in zip(new, answer.embeddings, strict=True):
                self._known[keys[at]] = np.array(embedding.values, np.float32)
                self._unread[keys[at]] = embedding.unread_share
        embeddings = [pb.Embedding(values=self._known[key], unread_share=self._unread[key]) for key in keys]
        return pb.EmbedResponse(embeddings=embeddings, embedder=self.name)

    async def Rerank(self, request: pb.RerankRequest, _: object) -> pb.RerankResponse:
        answer: pb.RerankResponse = await self._stub.Rerank(request, timeout=_LIMIT_S)
        return answer

    def save(self) -> None:
        if self._path:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            keys, vectors = np.array(list(self._known)), np.array(list(self._known.values()))
            unread = np.array([self._unread[key] for key in self._known])
            np.savez(self._path, keys=keys, vectors=vectors, unread=unread)

    def vectors(self) -> NDArray[np.float32]:
        """Returns all vectors of this run and those before."""
        return np.array(list(self._known.values()), np.float32)


class Made(rpc.InferenceServiceServicer):
    """Makes vectors from real ones: the direction between two of them, chosen by the text, plus some noise."""

    def __init__(self, real: NDArray[np.float32], name: str) -> None:
        self.name = name
        self._real = real

    async def Embed(self, request: pb.EmbedRequest, _: object) -> pb.EmbedResponse:
        embeddings = [pb.Embedding(values=self.vector(text)) for text in request.texts]
        return pb.EmbedResponse(embeddings=embeddings, embedder=self.name)

    def vector(self, text: str) -> NDArray[np.float32]:
        random = np.random.default_rng(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()))
        one, two = self._real[random.integers(len(self._real), size=2)]
        noise = random.standard_normal(self._real.shape[1], np.float32)
        made = one + two + _NOISE * noise / np.linalg.norm(noise)
        return np.asarray(made / np.linalg.norm(made), np.float32)


@contextmanager
def real_inference(folder: Path) -> Iterator[str]:
    """Runs the inference service in a process of its own; yields its address."""
    address = f"127.0.0.1:{free_ports(1)[0]}"
    settings = {"ENGINE": "echo", "LISTEN": address, "STATE_DIR": str(folder), "EMBEDDER_QUEUE_TOKENS": "10000000"}
    environment = {f"WEFT_INFERENCE_{name}": value for name, value in settings.items()}
    argv = [sys.executable, "-m", "weft_inference"]
    child = Child(Command(name="inference", argv=argv, log=folder / "inference.log", env=environment))
    try:
        yield address
    finally:
        child.stop()


async def embedder_name(channel: Channel) -> str:
    """Waits until an inference service answers; returns the embedder it serves."""
    engine = rpc.InferenceServiceStub(channel.raw).GetEngine(pb.GetEngineRequest(), wait_for_ready=True, timeout=60)
    return str((await engine).embedder)


@asynccontextmanager
async def served(servicer: rpc.InferenceServiceServicer) -> AsyncIterator[str]:
    """Serves a servicer; yields its address."""
    service = Service("weft.inference.v1.InferenceService", rpc.add_InferenceServiceServicer_to_server, servicer)
    async with Server("127.0.0.1:0", (service,), grace_s=0) as server:
        yield server.address
