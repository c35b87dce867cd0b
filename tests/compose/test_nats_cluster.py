"""Three nats-servers that keep one log: what holds while one of them is dead."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import nats
import pytest
from nats.errors import Error as NatsError
from nats.js.api import StreamConfig
from nats.js.client import JetStreamContext
from tests.support.waiting import until_it_succeeds

from weft_compose.errors import PartFailed
from weft_compose.servers import NatsCluster, serving

# nats-server starts an election 4 to 9 s after it last heard of a leader; two that start together need a second one.
ELECTIONS_S = 20


@pytest.fixture
async def jetstream(cluster: NatsCluster) -> AsyncIterator[JetStreamContext]:
    client = await nats.connect(cluster.url.split(","), reconnect_time_wait=0.1, max_reconnect_attempts=-1)
    yield client.jetstream(timeout=1)
    await client.close()


async def written(jetstream: JetStreamContext, subject: str, limit_s: float) -> None:
    """Writes one message, as often as it takes while nobody leads the stream."""
    await until_it_succeeds("a message is written", lambda: jetstream.publish(subject, b"x"), NatsError, limit_s)


async def test_a_replicated_stream_is_on_every_node_and_has_one_leader(cluster, jetstream):
    await jetstream.add_stream(StreamConfig("even", subjects=["even"], num_replicas=3))
    info = await jetstream.stream_info("even")
    assert {node.name for node in cluster.nodes} == {
        info.cluster.leader,
        *(each.name for each in info.cluster.replicas),
    }
    assert cluster.leader_of("even") is cluster.node(info.cluster.leader)


async def test_a_stream_stays_writable_without_its_leader_which_catches_up_when_it_is_back(cluster, jetstream):
    await jetstream.add_stream(StreamConfig("kept", subjects=["kept"], num_replicas=3))
    await written(jetstream, "kept", ELECTIONS_S)  # a new stream has no leader at once
    dead = cluster.leader_of("kept")

    await asyncio.to_thread(dead.kill)
    await written(jetstream, "kept", ELECTIONS_S)
    assert cluster.leader_of("kept") is not dead

    dead.start()
    await asyncio.to_thread(dead.wait_ready)
    followers = {each.name: each for each in (await jetstream.stream_info("kept")).cluster.replicas}
    assert followers[dead.name].current
    assert followers[dead.name].lag in (None, 0)


async def test_a_stream_nobody_has_has_no_leader(cluster):
    with pytest.raises(PartFailed, match="who leads the stream nothing"):
        cluster.leader_of("nothing")


def test_a_cluster_comes_back_whole_from_its_folders(tmp_path: Path):
    async def use(cluster: NatsCluster, *, fresh: bool) -> int:
        client = await nats.connect(cluster.url.split(","))
        jetstream = client.jetstream()
        if fresh:
            await jetstream.add_stream(StreamConfig("kept", subjects=["kept"], num_replicas=3))
            await jetstream.publish("kept", b"x")
        stored = (await jetstream.stream_info("kept")).state.messages
        await client.close()
        return stored

    with serving(lambda port: NatsCluster.of_size(3, tmp_path, port)) as first:
        assert asyncio.run(use(first, fresh=True)) == 1
        for node in first.nodes:
            node.kill()
    with serving(lambda port: NatsCluster.of_size(3, tmp_path, port)) as second:
        assert asyncio.run(use(second, fresh=False)) == 1
