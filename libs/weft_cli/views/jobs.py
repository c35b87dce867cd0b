"""Shows jobs to people: as a line in a list, or as the whole record with every attempt."""

from collections.abc import Iterator, Sequence

from google.protobuf.json_format import MessageToJson
from rich.console import Group, RenderableType
from rich.text import Text

from weft.common.v1 import chat_pb2, error_pb2
from weft.job.v1 import job_pb2
from weft_cli.errors import line_of
from weft_cli.views.durations import between, moment, span
from weft_cli.views.layout import columns, fact_sheet, or_none
from weft_cli.views.spending import amount
from weft_client.batches import Outcome
from weft_kit.rpc.errors import WeftError

# The fields of a request that say how to answer it.
_SETTINGS = frozenset({"sampling", "response_format", "retrieval", "cache", "routing", "retry_policy"})
_SHORT = frozenset({job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED, job_pb2.JOB_STATE_EXPIRED})
_STATE_STYLES = {"SUCCEEDED": "green", "FAILED": "red", "CANCELLED": "yellow", "EXPIRED": "yellow", "RUNNING": "cyan"}


def job_record(job: job_pb2.Job) -> RenderableType:
    """Returns how a job went, without its text."""
    answer = job.answer
    facts = fact_sheet()
    facts.add_row("job", job.job_id)
    facts.add_row("state", _state(job))
    if job.HasField("error"):
        facts.add_row("error", f"{reason(job.error)}: {job.error.message}")
    facts.add_row("model", job.model)
    if answer.provider:
        facts.add_row("provider", _provider(answer))
    for attempt in job.attempts:
        facts.add_row(f"attempt {attempt.number}", _attempt(job, attempt))
    for call in answer.tool_calls:
        facts.add_row("call", _call(call))
    if said := finish(answer):
        facts.add_row("finish", said)
    facts.add_row("tokens", _usage(answer.usage))
    if job.HasField("total_cost"):
        facts.add_row("cost", amount(job.total_cost.micros, job.total_cost.currency))
    facts.add_row("timings", _timings(job))
    facts.add_row("cache", _cache_hit(job))
    if job.HasField("contents_delete_time"):
        facts.add_row("contents", f"deleted {moment(job.contents_delete_time)}, past the tenant's retention")
    for source in answer.sources:
        facts.add_row("source" if source.number == 1 else "", f"[{source.number}] {source.title} ({source.source_uri})")
    if answer.sources_left_out:
        facts.add_row("left out", f"{answer.sources_left_out} sources that would not fit into the prompt")
    return facts


def jobs_table(jobs: Sequence[job_pb2.Job]) -> RenderableType:
    # This fits 80 columns; attempts and the rest are in the job's own record.
    table = columns("job", "state", "accepted UTC", "took", "model", wraps={"accepted UTC", "took", "model"})
    for job in jobs:
        took = between(job.accept_time, job.end_time) if job.HasField("end_time") else ""
        cached = ", cached" if job.HasField("cache_hit") else ""
        accepted = f"{job.accept_time.ToDatetime():%m-%d %H:%M:%S}"
        table.add_row(job.job_id, state_text(job.state), accepted, took + cached, job.model)
    short = [Text(f"{job.job_id} {why}", style="dim") for job in jobs if (why := shortfall(job))]
    return Group(or_none(table, "no jobs"), *short)


def whole_job(job: job_pb2.Job) -> RenderableType:
    """Returns everything about a job: what was asked, how it went, and its text."""
    asked = fact_sheet()
    for name, text in _asked(job):
        asked.add_row(name, text)
    answer = [Text(f"\n{job.answer.text}")] if job.answer.text else []
    return Group(job_record(job), asked, *answer)


def shortfall(job: job_pb2.Job) -> str:
    """Returns how a job that did not succeed ended, after how long, where and why; "" for any other job."""
    if job.state not in _SHORT:
        return ""
    state = state_text(job.state).plain
    took = f" after {between(job.accept_time, job.end_time)}" if job.HasField("end_time") else ""
    worker = job.attempts[-1].worker if job.attempts else ""
    where = _listed(_counted(len(job.attempts), "attempt"), f"router {worker}" if worker else "")
    why = f": {reason(job.error)}: {job.error.message}" if job.HasField("error") else ""
    return f"{state}{took}{f' ({where})' if where else ''}{why}"


def finish(answer: job_pb2.Answer) -> str:
    """Returns why the model stopped, with the provider's own word for it; "" after a normal answer."""
    if answer.finish_reason == chat_pb2.FINISH_REASON_STOP and (answer.text or answer.tool_calls):
        return ""
    name = chat_pb2.FinishReason.Name(answer.finish_reason).removeprefix("FINISH_REASON_")
    known = name if answer.finish_reason else "not known" if answer.raw_finish_reason else ""
    return _listed(known, f"the provider's word: {answer.raw_finish_reason}" if answer.raw_finish_reason else "")


def outcome_line(line: int, outcome: Outcome) -> str:
    """Returns the outcome of one line of a batch."""
    if isinstance(outcome, WeftError):
        return f"{line}  refused  {line_of(outcome)}"
    return f"{line}  {outcome.job_id}  {state_text(outcome.state)}"


def state_text(state: job_pb2.JobState.ValueType) -> Text:
    name = job_pb2.JobState.Name(state).removeprefix("JOB_STATE_")
    return Text(name, style=_STATE_STYLES.get(name, ""))


def reason(error: job_pb2.JobError) -> str:
    return error_pb2.ErrorReason.Name(error.reason).removeprefix("ERROR_REASON_")


def _state(job: job_pb2.Job) -> Text:
    took = f" after {between(job.accept_time, job.end_time)}" if job.HasField("end_time") else ""
    return state_text(job.state).append(took, style="default")


def _asked(job: job_pb2.Job) -> Iterator[tuple[str, str]]:
    """Yields the parts of a request that are set, by name."""
    request = job.request
    facts = {
        "request id": job.request_id,
        "accepted": moment(job.accept_time) if job.HasField("accept_time") else "",
        "expires": moment(job.expire_time) if job.HasField("expire_time") and not job.HasField("end_time") else "",
        "priority": job_pb2.Priority.Name(request.priority).removeprefix("PRIORITY_") if request.priority else "",
        "labels": ", ".join(f"{key}={value}" for key, value in sorted(request.labels.items())),
        "webhook": request.webhook_url,
        "last event": str(job.last_sequence or ""),
    }
    yield from ((name, text) for name, text in facts.items() if text)
    for field, value in request.ListFields():
        if field.name in _SETTINGS and value.ListFields():
            yield field.name.replace("_", " "), MessageToJson(value, preserving_proto_field_name=True, indent=None)
    for tool in request.tools:
        yield "tool", tool.name
    for message in request.messages:
        calls = ", ".join(map(_call, message.tool_calls))
        pictures = sum(part.HasField("image") for part in message.parts)
        text = "".join(part.text for part in message.parts)
        who = chat_pb2.Role.Name(message.role).removeprefix("ROLE_").lower()
        yield who, _listed(text, _counted(pictures, "picture"), f"calls {calls}" if calls else "")


def _call(call: chat_pb2.ToolCall) -> str:
    return f"{call.name} {call.arguments_json}"


def _attempt(job: job_pb2.Job, attempt: job_pb2.Attempt) -> Text:
    """Returns an attempt, a line each: provider and result, times, usage and cost, why it was made, why it failed."""
    result = job_pb2.Attempt.Result.Name(attempt.result).removeprefix("RESULT_")
    whom = Text(_provider(attempt))
    if attempt.result:
        whom.append(" · ").append(result, _STATE_STYLES.get(result, "yellow"))
    if attempt.worker:
        whom.append(f" · router {attempt.worker}")
    lines = [whom, Text(_attempt_timings(job, attempt)), Text(_taken(attempt)), Text(attempt.chosen_because)]
    if attempt.HasField("error"):
        lines.append(Text(f"{reason(attempt.error)}: {attempt.error.message}"))
    return Text("\n").join(line for line in lines if line)


def _attempt_timings(job: job_pb2.Job, attempt: job_pb2.Attempt) -> str:
    began = f"began after {between(job.accept_time, attempt.start_time)}" if attempt.HasField("start_time") else ""
    has_spoken = attempt.HasField("time_to_first_token")
    first_token = f"first token {span(attempt.time_to_first_token)}" if has_spoken else ""
    took = f"took {span(attempt.duration)}" if attempt.HasField("duration") else ""
    return _listed(began, first_token, took)


def _taken(attempt: job_pb2.Attempt) -> str:
    usage = _usage(attempt.usage) if attempt.usage.ListFields() else ""
    cost = amount(attempt.cost.micros, attempt.cost.currency) if attempt.HasField("cost") else ""
    return _listed(usage, cost)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number > 1 else ''}" if number else ""


def _listed(*parts: str) -> str:
    return " · ".join(part for part in parts if part)


def _provider(one: job_pb2.Answer | job_pb2.Attempt) -> str:
    return f"{one.provider} ({one.provider_model})" if one.provider_model else one.provider


def _usage(usage: chat_pb2.Usage) -> str:
    cached = f" ({usage.cached_prompt_tokens} from the prefix cache)" if usage.cached_prompt_tokens else ""
    reasoned = f" ({usage.reasoning_tokens} in reasoning)" if usage.reasoning_tokens else ""
    estimated = ", estimated" if usage.estimated else ""
    return f"{usage.prompt_tokens} read{cached}, {usage.completion_tokens} written{reasoned}{estimated}"


def _timings(job: job_pb2.Job) -> str:
    steps = (("queued", job.start_time), ("first token", job.first_token_time), ("done", job.end_time))
    known = [f"{name} {between(job.accept_time, at)}" for name, at in steps if at.seconds]
    return _listed(*known)


def _cache_hit(job: job_pb2.Job) -> str:
    if not job.HasField("cache_hit"):
        return "no hit"
    hit = job.cache_hit
    tier = job_pb2.CacheMode.Name(hit.tier).removeprefix("CACHE_MODE_").lower()
    stale = "; stale: all providers had failed" if hit.served_stale else ""
    return f"{tier} hit, similarity {hit.similarity:.3f}, {span(hit.age)} old{stale}"
