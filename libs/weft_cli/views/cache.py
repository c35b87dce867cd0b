"""Shows the answer cache to people."""

from rich.console import RenderableType

from weft.cache.v1 import cache_pb2 as pb
from weft_cli.views.durations import span
from weft_cli.views.layout import fact_sheet
from weft_cli.views.spending import amount


def cache_stats(stats: pb.GetStatsResponse) -> RenderableType:
    facts = fact_sheet()
    asked = stats.exact_hits + stats.semantic_hits + stats.misses
    facts.add_row("exact hits", _of(stats.exact_hits, asked))
    facts.add_row("semantic hits", _of(stats.semantic_hits, asked))
    facts.add_row("misses", _of(stats.misses, asked))
    facts.add_row("wrong semantic hits", _false_hits(stats.false_hits))
    if len(stats.model_false_hits) > 1:
        for one in stats.model_false_hits:
            facts.add_row(f"  of {one.model}", _false_hits(one.false_hits))
    facts.add_row("tokens saved", f"{stats.tokens_saved:,}")
    saved = ", ".join(amount(cost.micros, cost.currency) for cost in stats.cost_saved)
    facts.add_row("money saved", saved or "not known: none of these answers had a price")
    facts.add_row("answers stored", f"{stats.entries:,}, {_size(stats.tenant_bytes)}")
    facts.add_row("room, all tenants", _size(stats.most_bytes))
    facts.add_row("Redis, all of it", _size(stats.store_bytes))
    facts.add_row("forgotten after", span(stats.time_to_live))
    return facts


def _of(hits: int, asked: int) -> str:
    return f"{hits:,} ({hits / asked:.1%})" if asked else "0"


def _false_hits(found: pb.FalseHits) -> str:
    if not found.audits:
        return "not known: none was asked again yet"
    return (
        f"{found.rate:.1%} ({found.wrong:,} of {found.audits:,} asked again;"
        f" 95% interval {found.rate_low:.1%} to {found.rate_high:.1%})"
    )


def _size(count: int) -> str:
    return f"{count / 2**20:,.1f} MiB" if count >= 2**20 else f"{count / 2**10:.1f} KiB"
