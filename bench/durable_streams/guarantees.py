"""What each system guarantees for a stream, as far as we checked it in its code or by measurement."""

from bench.report.markdown import paragraph, table

_SETTINGS = """\
Each system runs as its makers recommend, with its data on disk. nats-server's file store syncs every two minutes, its
default, which Weft keeps. Valkey has `appendonly yes` and `appendfsync everysec`. The Node server with `dataDir`
calls fdatasync for every append before it answers; it is also measured in memory, where a restart loses everything.
Temporal's dev server has `--db-filename`, an SQLite file, whose syncing we did not check. So a power cut may lose
what Weft and Valkey acknowledged last, but not what the Node server did. The clients are redis-py;
@durable-streams/client, with its IdempotentProducer (recommended for writes; it gathers for 5 ms) and server-sent
events; and Temporal's Python SDK, whose activity gathers tokens for 200 ms, as Temporal's guide does for LLM output,
and whose subscribers wait 100 ms between polls, the default. Temporal says that Workflow Streams is not for ultra-low
latency and that its dev server is not for production; the makers of the Node server recommend another server for
production. Weft does more than the others: it reads its tokens from a provider over HTTP and serves readers through a
gateway with API keys and quotas, and it records each job in PostgreSQL."""

_ACTIVITY_AGAIN = """\
the activity runs again on another worker, after its heartbeat timeout (2 s here); a workflow that was cached on the \
dead worker waits for its sticky queue (10 s, the SDK's default)"""
_HEAD = ("", "Weft", "Valkey streams", "Durable Streams", "Temporal Workflow Streams")
_ROWS = (
    (
        "who continues when a writer dies",
        "another router, by itself",
        "none: the application must",
        "none: the application must",
        _ACTIVITY_AGAIN,
    ),
    (
        "a writer that was replaced is refused (fencing)",
        "yes: a publish names the sequence it follows",
        "no: XADD accepts every writer",
        "yes: the server refuses older epochs of a producer",
        "no: signals of an earlier attempt are accepted too",
    ),
    (
        "a repeated write is stored once",
        "yes",
        "no",
        "yes: by producer, epoch and sequence",
        "yes: by publisher and sequence",
    ),
    (
        "the stream has an explicit end",
        "one `done`, with the whole answer and its hash",
        "no",
        "closed by its producer, without a hash",
        "the workflow ends, without a hash",
    ),
    (
        "readers are told to drop what a dead attempt produced",
        "`rewound`, a typed event",
        "no",
        "no",
        "no: the guide has the application publish an event of its own",
    ),
)

_ABSENT = """\
Not measured, because we found no package on PyPI, npm or in Debian that contains them: S2's s2-lite, and the Caddy
plugin that is the production server of Durable Streams. Valkey stands for Redis, from which it was forked."""


def guarantees() -> list[str]:
    """Returns this section of the report."""
    return [
        "## Settings and guarantees",
        "",
        *paragraph(_SETTINGS),
        *table(_HEAD, _ROWS, words=5),
        *paragraph(_ABSENT),
    ]
