"""How records look: for people as rich tables, for programs as the JSON form of the messages."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from weft.cache.v1 import cache_pb2
from weft.common.v1 import error_pb2
from weft.gateway.v1 import gateway_pb2
from weft.job.v1 import job_pb2
from weft.retrieval.v1 import retrieval_pb2
from weft.router.v1 import router_pb2
from weft_client.batches import Outcome
from weft_client.failures import line_of
from weft_client.timing import between, moment, span
from weft_kit.errors import WeftError

_STATE_STYLES = {"SUCCEEDED": "green", "FAILED": "red", "CANCELLED": "yellow", "EXPIRED": "yellow", "RUNNING": "cyan"}

# Columns that are copied or told apart by their whole text.
_WHOLE = frozenset({"job", "key", "provider", "kind", "state"})


def print_json(value: Message | Iterable[Message] | Sequence[object] | dict[str, object]) -> None:
    """Writes a message, or a list of them, to stdout as one JSON document."""
    json.dump(_plain(value), sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


def job_record(job: job_pb2.Job) -> RenderableType:
    """Shows how a job went, without its text."""
    answer = job.answer
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim")
    facts.add_column()
    facts.add_row("job", job.job_id)
    facts.add_row("state", state_text(job.state))
    if job.HasField("error"):
        facts.add_row("error", f"{_reason(job.error)}: {job.error.message}")
    facts.add_row("model", job.model)
    if answer.provider:
        facts.add_row("provider", _provider(answer))
    for attempt in job.attempts:
        facts.add_row(f"attempt {attempt.number}", _attempt(attempt))
    facts.add_row("tokens", _usage(answer))
    facts.add_row("timings", _timings(job))
    facts.add_row("cache", _cache_hit(job))
    for source in answer.sources:
        facts.add_row("source" if source.number == 1 else "", f"[{source.number}] {source.title} ({source.source_uri})")
    return facts


def jobs_table(jobs: Iterable[job_pb2.Job]) -> RenderableType:
    # Fits 80 columns; attempts and the rest are in the job's own record.
    table = columns("job", "state", "accepted UTC", "took", "model")
    for job in jobs:
        took = between(job.accept_time, job.end_time) if job.HasField("end_time") else ""
        cached = ", cached" if job.HasField("cache_hit") else ""
        accepted = f"{job.accept_time.ToDatetime():%m-%d %H:%M:%S}"
        table.add_row(job.job_id, state_text(job.state), accepted, took + cached, job.model)
    return or_none(table, "no jobs")


def hits_list(hits: Sequence[retrieval_pb2.Hit]) -> RenderableType:
    blocks: list[RenderableType] = []
    for place, hit in enumerate(hits, 1):
        legs = [f"{name} #{leg.rank}" for name, leg in (("meaning", hit.dense), ("words", hit.keyword)) if leg.rank]
        title = Text.assemble((f"{place}. {hit.title}", "bold"), (f"  {hit.source_uri}  {', '.join(legs)}", "dim"))
        blocks.extend((title, Text(hit.text.strip()), Text("")))
    return Group(*blocks) if blocks else Text("nothing found", style="dim")


def providers_table(providers: Sequence[router_pb2.Provider]) -> RenderableType:
    # Fits 80 columns: what went wrong last stands below.
    table = columns("provider", "kind", "state", "1st token p50/p95", "calls")
    for one in providers:
        latency = (
            f"{span(one.first_token_p50)} / {span(one.first_token_p95)}" if one.HasField("first_token_p50") else ""
        )
        table.add_row(one.name, one.kind, _provider_state(one), latency, _calls(one))
    errors = [Text(f"{one.name}: {one.last_error}", style="dim") for one in providers if one.last_error]
    return Group(table, *errors)


def models_table(models: Iterable[router_pb2.Model]) -> RenderableType:
    table = columns("model", "providers, most preferred first")
    for model in models:
        table.add_row(model.name, ", ".join(model.providers))
    return table


def keys_table(keys: Iterable[gateway_pb2.Key]) -> RenderableType:
    table = columns("key", "tenant", "name", "created", "revoked", "calls a minute")
    for key in keys:
        revoked = moment(key.revoke_time) if key.HasField("revoke_time") else ""
        rate = str(key.calls_per_minute or "default")
        table.add_row(key.key_id, key.tenant, key.name, moment(key.create_time), revoked, rate)
    return or_none(table, "no keys")


def cache_stats(stats: cache_pb2.GetStatsResponse) -> RenderableType:
    facts = Table.grid(padding=(0, 2))
    facts.add_row("exact hits", str(stats.exact_hits))
    facts.add_row("semantic hits", str(stats.semantic_hits))
    facts.add_row("misses", str(stats.misses))
    facts.add_row("answers stored", str(stats.entries))
    facts.add_row("tokens saved", str(stats.tokens_saved))
    facts.add_row("store, all tenants", f"{stats.store_bytes / 1e6:.1f} MB")
    facts.add_row("forgotten after", span(stats.time_to_live))
    return facts


def mesh_status_table(status: Mapping[str, Any]) -> RenderableType:
    table = columns("part", "address", "pid", "health", "cpu", "memory")
    for part in status["parts"]:
        health = Text("healthy", style="green") if part["healthy"] else Text("not serving", style="red")
        use = (f"{part['cpu_percent']:.0f} %", f"{part['rss_bytes'] / 1e6:.0f} MB")
        table.add_row(part["name"], part["address"], str(part["pid"]), health, *use)
    logs = "".join(f"logs in {folder}\n" for folder in {Path(part["log"]).parent for part in status["parts"]})
    return Group(Text(f"gateway {status['endpoint']}, launcher pid {status['launcher_pid']}\n{logs}"), table)


def outcome_line(line: int, outcome: Outcome) -> str:
    """Tells what became of one line of a batch."""
    if isinstance(outcome, WeftError):
        return f"{line}  refused  {line_of(outcome)}"
    return f"{line}  {outcome.job_id}  {state_text(outcome.state)}"


def outcome_json(line: int, outcome: Outcome) -> dict[str, object]:
    if isinstance(outcome, WeftError):
        return {"line": line, "error": {"reason": outcome.reason_name, "message": outcome.message}}
    return {"line": line, "job": _plain(outcome)}


def state_text(state: job_pb2.JobState.ValueType) -> Text:
    name = job_pb2.JobState.Name(state).removeprefix("JOB_STATE_")
    return Text(name, style=_STATE_STYLES.get(name, ""))


def _plain(value: object) -> object:
    if isinstance(value, Message):
        return MessageToDict(value, preserving_proto_field_name=True)
    if isinstance(value, dict):
        return value
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value


def columns(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, no_wrap=column in _WHOLE, overflow="fold")
    return table


def or_none(table: Table, words: str) -> RenderableType:
    return table if table.row_count else Text(words, style="dim")


def _provider_state(one: router_pb2.Provider) -> str:
    if not one.state:
        return "not asked yet"
    state = router_pb2.Provider.State.Name(one.state).removeprefix("STATE_")
    if one.breaker in {router_pb2.Provider.BREAKER_UNSPECIFIED, router_pb2.Provider.BREAKER_CLOSED}:
        return state
    return f"{state}, {router_pb2.Provider.Breaker.Name(one.breaker).removeprefix('BREAKER_')}"


def _calls(one: router_pb2.Provider) -> str:
    failed = f", {one.failed} failed" if one.failed else ""
    under_way = f", {one.in_flight} now" if one.in_flight else ""
    return f"{one.succeeded + one.failed}{failed}{under_way}"


def _attempt(attempt: job_pb2.Attempt) -> str:
    parts = [_provider(attempt)]
    if attempt.HasField("time_to_first_token"):
        parts.append(f"first token {span(attempt.time_to_first_token)}")
    parts.append(span(attempt.duration))
    if attempt.HasField("error"):
        parts.append(f"{_reason(attempt.error)}: {attempt.error.message}")
    if attempt.chosen_because:
        parts.append(attempt.chosen_because)
    return " · ".join(parts)


def _provider(one: job_pb2.Answer | job_pb2.Attempt) -> str:
    return f"{one.provider} ({one.provider_model})" if one.provider_model else one.provider


def _usage(answer: job_pb2.Answer) -> str:
    usage = answer.usage
    cached = f" ({usage.cached_prompt_tokens} from the prefix cache)" if usage.cached_prompt_tokens else ""
    return f"{usage.prompt_tokens} read{cached}, {usage.completion_tokens} written{', estimated' * usage.estimated}"


def _timings(job: job_pb2.Job) -> str:
    steps = (("queued", job.start_time), ("first token", job.first_token_time), ("done", job.end_time))
    known = [f"{name} {between(job.accept_time, at)}" for name, at in steps if at.seconds]
    return " · ".join(known)


def _cache_hit(job: job_pb2.Job) -> str:
    if not job.HasField("cache_hit"):
        return "no hit"
    hit = job.cache_hit
    return f"{_tier(hit)} hit, similarity {hit.similarity:.3f}, {span(hit.age)} old"


def _tier(hit: job_pb2.CacheHit) -> str:
    return job_pb2.CacheMode.Name(hit.tier).removeprefix("CACHE_MODE_").lower()


def _reason(error: job_pb2.JobError) -> str:
    return error_pb2.ErrorReason.Name(error.reason).removeprefix("ERROR_REASON_")
