"""The prompt: the conversation as it was sent, with numbered sources where they were asked for, as far as they fit."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from weft.common.v1 import chat_pb2
from weft.job.v1 import job_pb2
from weft.retrieval.v1 import retrieval_pb2
from weft_kit.catalog.context_template import ContextTemplate

# Providers count tokens by tokenizers of their own. Three bytes a token is fewer than any common one makes of prose,
# so what fits by this count fits.
_BYTES_A_TOKEN = 3
_TOKENS_A_MESSAGE = 8
# Images are counted by their pixels, which nobody here decodes. This is what Anthropic scales the largest down to; the
# largest of OpenAI's 4o models costs 1,445.
_TOKENS_AN_IMAGE = 1600


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a provider is sent, and which chunks are in it."""

    messages: Sequence[chat_pb2.Message]
    sources: Sequence[job_pb2.Source] = ()


def question(messages: Sequence[chat_pb2.Message]) -> str:
    """Returns what the user said last: what to search for."""
    place = _last_question(messages)
    return "" if place is None else _text(messages[place])


def compose(
    messages: Sequence[chat_pb2.Message],
    hits: Sequence[retrieval_pb2.Hit],
    room_tokens: int,
    template: ContextTemplate,
) -> Prompt:
    """Puts the hits, best first, before the last question; drops the lowest until all fits `room_tokens`.

    They stand in the user's message, not in one of the system's, because templates of small models allow but one.
    """
    room = (
        room_tokens
        - estimated_tokens(messages)
        - _TOKENS_A_MESSAGE
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


def estimated_tokens(messages: Iterable[chat_pb2.Message]) -> int:
    """Counts the tokens of a conversation, rather too many than too few."""
    return sum(_message_tokens(message) for message in messages)


def tokens_of(text: str) -> int:
    """Counts the tokens of a text, rather too many than too few."""
    return -(-len(text.encode()) // _BYTES_A_TOKEN)


def _message_tokens(message: chat_pb2.Message) -> int:
    images = sum(part.HasField("image") for part in message.parts)
    return _TOKENS_A_MESSAGE + tokens_of(_text(message)) + _calls(message) + _TOKENS_AN_IMAGE * images


def _calls(message: chat_pb2.Message) -> int:
    return sum(_TOKENS_A_MESSAGE + tokens_of(call.arguments_json) for call in message.tool_calls)


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


def _text(message: chat_pb2.Message) -> str:
    return "".join(part.text for part in message.parts)
