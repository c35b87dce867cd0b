"""Weft's own client: a Python helper and the `weft` command line, on the generated stubs like any other client."""

from weft_client.client import WeftClient
from weft_client.generation import Generation
from weft_client.requests import chat
from weft_client.transcript import CorruptAnswer, Token

__all__ = ["CorruptAnswer", "Generation", "Token", "WeftClient", "chat"]
