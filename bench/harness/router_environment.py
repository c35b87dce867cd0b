"""The environment of the routing section: a log, one router with a given catalog, and the jobs in the log."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from google.protobuf import timestamp_pb2
from nats.aio.msg import Msg

from weft.common.v1 import chat_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft.router.v1 import router_pb2 as pb
from weft.router.v1 import router_pb2_grpc as rpc
from weft_compose.servers import NatsServer, serving
from weft_kit.joblog import JobLog, connect, new_job_id
from weft_kit.joblog.events.codec import from_message
from weft_kit.rpc.channel import Channel
from weft_router.config import Config
from weft_router.server import router

NOWHERE = "127.0.0.1:1"
_EXPIRE_S = 60


@dataclass
class ObservedJob:
    """A job as the log shows it; times are of `perf_counter`."""

    submitted: float
    first_token: float | None = None
    done: event_pb2.Done | None = None

    @property
    def first_token_ms(self) -> float:
        return ((self.first_token or float("inf")) - self.submitted) * 1000


@dataclass
class RouterEnvironment:
    """Submits jobs, and observes them and the providers."""

    log: JobLog
    providers: "rpc.RouterServiceAsyncStub | None" = None
    jobs: dict[str, ObservedJob] = field(default_factory=dict)
    _ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def observe(self, message: Msg) -> None:
        """Notes an event of the log."""
        event = from_message(message).event
        job = self.jobs.get(event.job_id)
        if job is None:
            return
        if event.HasField("delta") and job.first_token is None:
            job.first_token = time.perf_counter()
        if event.HasField("done"):
            job.done = event.done
            self._ended.set()

    async def submit(self) -> ObservedJob:
        """Writes a job into the log, like the gateway."""
        part = chat_pb2.ContentPart(text=f"Question {len(self.jobs)}")
        message = chat_pb2.Message(role=chat_pb2.ROLE_USER, parts=[part])
        expire_time = timestamp_pb2.Timestamp()
        expire_time.FromNanoseconds(time.time_ns() + _EXPIRE_S * 10**9)
        request = job_pb2.GenerationRequest(model="default", messages=[message])
        job_id = new_job_id("bench", request.priority)
        job = self.jobs[job_id] = ObservedJob(time.perf_counter())
        await self.log.accept(job_id, event_pb2.Accepted(tenant="bench", request=request, expire_time=expire_time))
        return job

    async def load(self, number: int, per_second: float) -> list[ObservedJob]:
        """Submits jobs as a Poisson process, and waits for all to end."""
        begun: list[asyncio.Task[ObservedJob]] = []
        at = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(number):
                at += random.expovariate(per_second)
                await asyncio.sleep(max(0.0, at - time.perf_counter()))
                begun.append(group.create_task(self.submit()))
        jobs = [task.result() for task in begun]
        await self.wait_for(jobs)
        return jobs

    async def wait_for(self, jobs: Sequence[ObservedJob]) -> None:
        """Waits until jobs have ended."""
        async with asyncio.timeout(_EXPIRE_S):
            while any(job.done is None for job in jobs):
                self._ended.clear()
                await self._ended.wait()

    async def provider(self, name: str) -> pb.Provider:
        """Returns a provider as the router sees it."""
        assert self.providers is not None  # noqa: S101
        listed = (await self.providers.ListProviders(pb.ListProvidersRequest())).providers
        return next(one for one in listed if one.name == name)


@asynccontextmanager
async def router_environment(catalog: str) -> AsyncIterator[RouterEnvironment]:
    """Runs a router in this process."""
    async with (
        observed_log(catalog) as (env, config),
        router(config) as server,
        Channel(server.address, "router") as channel,
    ):
        env.providers = rpc.RouterServiceStub(channel.raw)
        yield env


@asynccontextmanager
async def observed_log(catalog: str) -> AsyncIterator[tuple[RouterEnvironment, Config]]:
    """Runs the log, and yields the configuration of a router for it."""
    with TemporaryDirectory(prefix="weft-bench-") as folder:
        path = Path(folder) / "weft.toml"
        path.write_text(catalog, encoding="utf-8")
        with serving(lambda port: NatsServer(Path(folder) / "nats", port)) as nats:
            async with connect(nats.url, "bench") as client:
                log = JobLog(client)
                await log.ensure()
                env = RouterEnvironment(log)
                await client.subscribe(f"{log.config.live_prefix}.>", cb=env.observe)
                config = Config(
                    listen="127.0.0.1:0",
                    nats_url=nats.url,
                    cache_target=NOWHERE,
                    retrieval_target=NOWHERE,
                    redis_url="redis://127.0.0.1:1",
                    catalog_file=path,
                    slots=1024,
                    grace_s=1.0,
                )
                yield env, config
