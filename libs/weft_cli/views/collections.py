"""Shows collections, their documents and search results to people."""

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from weft.retrieval.v1 import retrieval_pb2 as pb
from weft_cli.views.durations import moment
from weft_cli.views.layout import columns, fact_sheet, or_none


def collections_table(collections: Iterable[pb.Collection]) -> RenderableType:
    table = columns("collection", "documents", "chunks", "version", "language", "created", wraps={"created"})
    for one in collections:
        counts = (f"{one.document_count:,}", f"{one.chunk_count:,}", f"{one.version:,}")
        table.add_row(one.name, *counts, one.language, moment(one.create_time))
    return or_none(table, "no collections")


def collection_sheet(collection: pb.Collection) -> RenderableType:
    facts = fact_sheet()
    facts.add_row("collection", collection.name)
    facts.add_row("documents", f"{collection.document_count:,}")
    facts.add_row("chunks", f"{collection.chunk_count:,}")
    facts.add_row("version", f"{collection.version:,}")
    facts.add_row("embedder", collection.embedder or "none yet: the first document brings it")
    cut = collection.chunking
    facts.add_row(
        "cut into", f"at most {cut.max_tokens} tokens, {cut.overlap_tokens} of them shared with the one before"
    )
    facts.add_row("language", collection.language or "not told")
    if collection.languages:
        counts = (f"{one.language} {one.chunk_count:,}" for one in collection.languages)
        facts.add_row("chunks in", ", ".join(counts) + (" (being analysed again)" if collection.analysing else ""))
    facts.add_row("created", moment(collection.create_time))
    return facts


def documents_table(documents: Iterable[pb.Document]) -> RenderableType:
    table = columns("document", "title", "chunks", "language", "stored", wraps={"title", "stored"})
    for one in documents:
        table.add_row(one.document_id, one.title, f"{one.chunk_count:,}", one.language, moment(one.ingest_time))
    return or_none(table, "no documents")


def hits_list(hits: Sequence[pb.Hit]) -> RenderableType:
    blocks: list[RenderableType] = []
    for place, hit in enumerate(hits, 1):
        legs = [f"{name} #{leg.rank}" for name, leg in (("meaning", hit.dense), ("words", hit.keyword)) if leg.rank]
        title = Text.assemble((f"{place}. {hit.title}", "bold"), (f"  {hit.source_uri}  {', '.join(legs)}", "dim"))
        blocks.extend((title, Text(hit.text.strip()), Text("")))
    return Group(*blocks) if blocks else Text("nothing found", style="dim")
