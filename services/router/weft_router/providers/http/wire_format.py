"""What tells one provider's HTTP API from another's."""

import re
from collections.abc import Collection, Mapping
from typing import Any, Protocol

import httpx

from weft.inference.v1 import inference_pb2
from weft_router.providers.stream_reader import Answer


class WireFormat(Protocol):
    """One API: where to ask, how to put a request, how to read its answer."""

    continues_prefix: bool
    """Whether `request.prefix` is honoured."""
    models_url: httpx.URL
    """Where a GET lists the models."""

    def headers(self, key: str) -> Mapping[str, str]:
        """Returns the headers of every call; `key` may be empty."""

    def url(self, model: str) -> httpx.URL:
        """Returns where a POST streams an answer."""

    def tool_name(self, model: str) -> re.Pattern[str]:
        """Returns the names of tools that are taken; others are spelt in another way for it, see ToolNames."""

    def refused(self, request: inference_pb2.GenerateRequest) -> Collection[str]:
        """Returns the fields of `SamplingParams` that the model, or the format, is known not to take.

        `thinking` is among them where the model has to do without it with this request.
        """

    def fitted(self, request: inference_pb2.GenerateRequest) -> Mapping[str, float]:
        """Returns the numbers of `SamplingParams` that the model takes in another size, in that size."""

    def extra_body(self, request: inference_pb2.GenerateRequest) -> Mapping[str, Any]:
        """Returns what the catalog has laid over the body, as far as the provider takes it with this request."""

    def body(self, request: inference_pb2.GenerateRequest) -> dict[str, Any]:
        """Returns the request's JSON body.

        Raises:
            ProviderError: a part, role, schema or setting cannot be said in this format.
        """

    def answer(self, request: inference_pb2.GenerateRequest) -> Answer:
        """Returns what reads the answer to `request`."""
