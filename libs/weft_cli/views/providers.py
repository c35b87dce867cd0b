"""Shows providers, their checks, and models to people."""

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from weft.job.v1 import job_pb2
from weft.router.v1 import router_pb2 as pb
from weft_cli.views.durations import moment, span
from weft_cli.views.jobs import reason
from weft_cli.views.layout import columns, or_none
from weft_cli.views.spending import amount

_QUIET = frozenset({pb.Provider.BREAKER_UNSPECIFIED, pb.Provider.BREAKER_CLOSED})


def providers_table(providers: Sequence[pb.Provider]) -> RenderableType:
    # Errors are listed below the table: in it, they would leave no room for numbers.
    currency = next((one.cost_today.currency for one in providers if one.HasField("cost_today")), "cost")
    speed = ("1st token\np50/p95", "tokens\na second")
    table = columns("provider", "state", *speed, "calls", "failed", "now", f"{currency}\ntoday", wraps={"state"})
    for one in providers:
        cost = amount(one.cost_today.micros) if one.HasField("cost_today") else ""
        table.add_row(one.name, _state(one), *_figures(one), cost)
        for model in one.models if len(one.models) > 1 else ():
            table.add_row(f"  {model.name}", _breaker(model.breaker), *_figures(model), "")
    return Group(
        or_none(table, "no providers"), *(Text(note, style="dim") for one in providers for note in _notes(one))
    )


def checks_table(checks: Iterable[pb.ProviderCheck]) -> RenderableType:
    """Returns the outcome of each provider's check, with what to do about those that cannot be used."""
    table = columns("", "provider", "kind", "took", "found", wraps={"found"})
    for check in checks:
        failed = check.HasField("error")
        mark = Text("✗", style="red") if failed else Text("✓", style="green")
        found = f"{reason(check.error)}: {check.error.message}" if failed else "answers and takes its key"
        table.add_row(mark, check.name, check.kind, span(check.latency), found)
    return or_none(table, "no providers")


def models_table(models: Iterable[pb.Model]) -> RenderableType:
    listed = "providers, most preferred first"
    table = columns("model", "cache", listed, wraps={listed})
    for model in models:
        table.add_row(model.name, _tier(model.cache_mode), ", ".join(model.providers))
    return table


def _figures(one: pb.Provider | pb.ProviderModel) -> Iterator[str]:
    """Yields speed and calls for the table's columns; "" where nothing is known."""
    has_answered = one.HasField("first_token_p50")
    yield f"{span(one.first_token_p50)}/{span(one.first_token_p95)}" if has_answered else ""
    yield f"{one.tokens_per_second:.1f}" if one.tokens_per_second else ""
    yield str(one.succeeded + one.failed)
    yield str(one.failed or "")
    yield str(one.in_flight or "")


def _state(one: pb.Provider) -> str:
    if not one.state:
        return "not asked yet"
    state = pb.Provider.State.Name(one.state).removeprefix("STATE_")
    return state if one.breaker in _QUIET else f"{state}, {_breaker(one.breaker)}"


def _breaker(breaker: pb.Provider.Breaker.ValueType) -> str:
    return pb.Provider.Breaker.Name(breaker).removeprefix("BREAKER_")


def _notes(one: pb.Provider) -> Iterator[str]:
    """Yields the notes about a provider, a line each."""
    whose = ", ".join(filter(None, (one.kind, one.region)))
    if one.errors:
        most = sorted(one.errors.items(), key=lambda error: -error[1])
        counts = ", ".join(f"{count} {name}" for name, count in most)
        yield f"{one.name} ({whose}) failed: {counts}; last at {moment(one.last_error_time)}: {one.last_error}"
    if one.unpriced_models:
        models = ", ".join(name or "the model it has loaded" for name in one.unpriced_models)
        yield f"{one.name}: no price for {models}, so budgets count it as 0; add one to [prices], 0 where it is free"


def _tier(mode: job_pb2.CacheMode.ValueType) -> str:
    return job_pb2.CacheMode.Name(mode).removeprefix("CACHE_MODE_").lower() if mode else "not told"
