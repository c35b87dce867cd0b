"""How records look: for people as rich tables, for programs as the JSON form of the messages."""

import json
import sys
from collections.abc import Collection, Iterable, Sequence

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.console import Group, RenderableType
from rich.text import Text

from weft.job.v1 import job_pb2
from weft.retrieval.v1 import retrieval_pb2
from weft.router.v1 import router_pb2
from weft_cli.views.layout import FactSheet, Listing
from weft_client.batches import Outcome
from weft_kit.rpc.errors import WeftError


def print_json(value: Message | Iterable[Message] | Sequence[object] | dict[str, object]) -> None:
    """Writes a message, or a list of them, to stdout as one JSON document."""
    _write_json(value, indent=2)


def print_json_line(message: Message) -> None:
    """Writes a message to stdout as one line of JSON, for whoever reads on meanwhile."""
    _write_json(message, indent=None)
    sys.stdout.flush()


def hits_list(hits: Sequence[retrieval_pb2.Hit]) -> RenderableType:
    blocks: list[RenderableType] = []
    for place, hit in enumerate(hits, 1):
        legs = [f"{name} #{leg.rank}" for name, leg in (("meaning", hit.dense), ("words", hit.keyword)) if leg.rank]
        title = Text.assemble((f"{place}. {hit.title}", "bold"), (f"  {hit.source_uri}  {', '.join(legs)}", "dim"))
        blocks.extend((title, Text(hit.text.strip()), Text("")))
    return Group(*blocks) if blocks else Text("nothing found", style="dim")


def models_table(models: Iterable[router_pb2.Model]) -> RenderableType:
    listed = "providers, most preferred first"
    table = columns("model", "cache", listed, wraps={listed})
    for model in models:
        table.add_row(model.name, _tier(model.cache_mode), ", ".join(model.providers))
    return table


def _tier(mode: job_pb2.CacheMode.ValueType) -> str:
    return job_pb2.CacheMode.Name(mode).removeprefix("CACHE_MODE_").lower() if mode else "not told"


def outcome_json(line: int, outcome: Outcome) -> dict[str, object]:
    if isinstance(outcome, WeftError):
        return {"line": line, "error": {"reason": outcome.reason_name, "message": outcome.message}}
    return {"line": line, "job": _plain(outcome)}


def _write_json(value: object, indent: int | None) -> None:
    escaped = sys.stdout.encoding.lower() not in {"utf-8", "utf8"}
    json.dump(_plain(value), sys.stdout, indent=indent, ensure_ascii=escaped)
    sys.stdout.write("\n")


def _plain(value: object) -> object:
    if isinstance(value, Message):
        return MessageToDict(value, preserving_proto_field_name=True)
    if isinstance(value, dict):
        return value
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value


def columns(*columns: str, wraps: Collection[str] = ()) -> Listing:
    """Returns an empty table; only the columns named in `wraps` give way where there is little room."""
    return Listing(columns, wraps)


def fact_sheet() -> FactSheet:
    """Returns an empty sheet of names and what there is to say beside them."""
    return FactSheet()


def or_none(table: Listing, words: str) -> RenderableType:
    return table if table.row_count else Text(words, style="dim")
