"""Estimates the tokens of a conversation before a provider has counted them, erring on the high side."""

from collections.abc import Iterable

from weft.common.v1 import chat_pb2

# Providers use their own tokenizers. Three bytes per token is less than any common one averages on prose, so what fits
# by this estimate fits.
_BYTES_A_TOKEN = 3
TOKENS_A_MESSAGE = 8
# Images are counted by their pixels, which nobody here decodes. This is what Anthropic scales the largest down to; the
# largest of OpenAI's 4o models costs 1,445.
_TOKENS_AN_IMAGE = 1600


def estimated_tokens(messages: Iterable[chat_pb2.Message]) -> int:
    """Returns an estimate of a conversation's tokens, on the high side."""
    return sum(_message_tokens(message) for message in messages)


def tokens_of(text: str) -> int:
    """Returns an estimate of a text's tokens, on the high side."""
    return -(-len(text.encode()) // _BYTES_A_TOKEN)


def _message_tokens(message: chat_pb2.Message) -> int:
    tokens = TOKENS_A_MESSAGE + tokens_of(text_of(message))
    for part in message.parts:
        if part.HasField("image"):
            tokens += _TOKENS_AN_IMAGE
    for call in message.tool_calls:
        tokens += TOKENS_A_MESSAGE + tokens_of(call.arguments_json)
    return tokens


def text_of(message: chat_pb2.Message) -> str:
    """Returns all the text of a message."""
    return "".join([part.text for part in message.parts])
