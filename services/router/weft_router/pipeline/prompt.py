"""The prompt: the conversation as it was sent, with numbered sources if requested, as many as fit."""

from collections.abc import Sequence
from dataclasses import dataclass

from weft.common.v1 import chat_pb2
from weft.job.v1 import job_pb2
from weft.retrieval.v1 import retrieval_pb2
from weft_kit.catalog.context_template import ContextTemplate
from weft_router.job.token_estimate import TOKENS_A_MESSAGE, estimated_tokens, text_of, tokens_of


@dataclass(frozen=True, slots=True)
class Prompt:
    """The messages that a provider is sent, and the chunks in them."""

    messages: Sequence[chat_pb2.Message]
    sources: Sequence[job_pb2.Source] = ()


def question(messages: Sequence[chat_pb2.Message]) -> str:
    """Returns what the user said last: the text to search for."""
    place = _last_question(messages)
    return "" if place is None else text_of(messages[place])


def compose(
    messages: Sequence[chat_pb2.Message],
    hits: Sequence[retrieval_pb2.Hit],
    room_tokens: int,
    template: ContextTemplate,
) -> Prompt:
    """Inserts the hits, best first, before the last question; drops the lowest-ranked until all fit into `room_tokens`.

    They are part of the user's message, not of a system message, because templates of small models allow only one.
    """
    room = (
        room_tokens
        - estimated_tokens(messages)
        - TOKENS_A_MESSAGE
        - tokens_of(template.instructions + template.question)
    )
    blocks: list[str] = []
    for hit in hits:
        block = _block(template, len(blocks) + 1, hit)
        room -= tokens_of(block)
        if room < 0:
            break
        blocks.append(block)
    place = _last_question(messages)
    if not blocks or place is None:
        return Prompt(messages)
    asked = chat_pb2.Message()
    asked.CopyFrom(messages[place])
    text = "\n\n".join(filter(None, (template.instructions, *blocks, template.question)))
    asked.parts.insert(0, chat_pb2.ContentPart(text=text))
    sources = [_source(number, hit) for number, hit in enumerate(hits[: len(blocks)], start=1)]
    return Prompt([*messages[:place], asked, *messages[place + 1 :]], sources)


def _last_question(messages: Sequence[chat_pb2.Message]) -> int | None:
    places = (place for place in range(len(messages) - 1, -1, -1) if messages[place].role == chat_pb2.ROLE_USER)
    return next(places, None)


def _block(template: ContextTemplate, number: int, hit: retrieval_pb2.Hit) -> str:
    heading = " > ".join(filter(None, (hit.title, *hit.headings)))
    return template.block(number, heading=heading, uri=hit.source_uri, text=hit.text.strip())


def _source(number: int, hit: retrieval_pb2.Hit) -> job_pb2.Source:
    return job_pb2.Source(
        number=number,
        chunk_id=hit.chunk_id,
        document_id=hit.document_id,
        title=hit.title,
        source_uri=hit.source_uri,
        score=hit.score,
        dense=_leg(hit.dense) if hit.HasField("dense") else None,
        keyword=_leg(hit.keyword) if hit.HasField("keyword") else None,
    )


def _leg(seen: retrieval_pb2.LegScore) -> job_pb2.LegScore:
    return job_pb2.LegScore(rank=seen.rank, score=seen.score)
