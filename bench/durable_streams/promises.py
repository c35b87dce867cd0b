"""What each system promises of a stream, as far as it was checked: in its code, or by the measurements beside it."""

from bench.report.markdown import paragraph, table

_SETTINGS = """\
Each runs as its makers recommend, with a log on disk: nats-server's file store, which syncs every two minutes (its
default, which Weft leaves); Valkey with `appendonly yes` and `appendfsync everysec`; the Node server with `dataDir`,
which calls fdatasync for every append before it answers, and once more in memory, where nothing outlives it;
Temporal's dev server with `--db-filename`, on SQLite, whose syncing was not looked into. So a power cut may cost Weft
and Valkey what the Node server still has; a killed process loses nothing that it had written to its file. Clients:
redis-py; @durable-streams/client with its IdempotentProducer (recommended for writes; it gathers for 5 ms) and
server-sent events; Temporal's Python SDK, whose activity gathers tokens for 200 ms, as Temporal's guide has it for
the output of an LLM, while subscribers wait 100 ms between polls, the SDK's default. Its library says of itself that
it is not for ultra-low latency, and its dev server that it is not for production; the Node server is for development
and prototypes. Weft reads its tokens from a provider over HTTP and sends them through a gateway with API keys, quotas
and a record in PostgreSQL, which the others leave to the application."""

_ACTIVITY_AGAIN = """\
the activity runs again on another worker, after its heartbeat timeout (2 s here); a workflow that was cached on the \
dead worker waits for its sticky queue (10 s, the SDK's default)"""
_HEAD = ("", "Weft", "Valkey streams", "Durable Streams", "Temporal Workflow Streams")
_ROWS = (
    (
        "who goes on when a writer dies",
        "another router, by itself",
        "none: the application must",
        "none: the application must",
        _ACTIVITY_AGAIN,
    ),
    (
        "a writer that was replaced is refused (fencing)",
        "yes: a publish names the sequence it follows",
        "no: XADD takes whatever comes",
        "yes: the server refuses an older epoch of the producer",
        "no: signals are told apart by publisher and sequence; an older attempt's are taken",
    ),
    (
        "a repeated write is stored once",
        "yes",
        "no",
        "yes: by producer, epoch and sequence",
        "yes: by publisher and sequence",
    ),
    (
        "the stream says that it has ended",
        "one `done`, with the whole answer and its hash",
        "no",
        "closed by its producer, without a hash",
        "the workflow ends, without a hash",
    ),
    (
        "readers are told to withdraw what a dead attempt said",
        "`rewound`, a typed event",
        "no",
        "no",
        "no: the guide has the application publish an event of its own",
    ),
)

_ABSENT = """\
Not measured, since PyPI, npm and Debian have no program of theirs to run: S2's s2-lite and the Caddy server of Durable
Streams. Redis itself is represented by Valkey, its fork, which the project starts anyway."""


def promises() -> list[str]:
    """Returns this part of the report."""
    return [
        "## What runs, and what it promises",
        "",
        *paragraph(_SETTINGS),
        *table(_HEAD, _ROWS, words=5),
        *paragraph(_ABSENT),
    ]
