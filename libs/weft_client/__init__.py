"""The Python API of a mesh, built on the generated stubs."""

from weft_client.budgets import SpentBudget
from weft_client.client import WeftClient
from weft_client.generation import Generation
from weft_client.observer import Observer
from weft_client.requests import ChatOptions, chat
from weft_client.retry import OutOfPatience
from weft_client.transcript import CorruptAnswer, Token

__all__ = [
    "ChatOptions",
    "CorruptAnswer",
    "Generation",
    "Observer",
    "OutOfPatience",
    "SpentBudget",
    "Token",
    "WeftClient",
    "chat",
]
