"""The differences between providers' HTTP APIs."""

import re
from collections.abc import Collection, Mapping
from typing import Any, Protocol

import httpx

from weft.inference.v1 import inference_pb2
from weft_router.providers.stream_reader import Answer


class WireFormat(Protocol):
    """One API: its URLs, its request body, and how to read its answer."""

    continues_prefix: bool
    """Whether `request.prefix` is honoured."""
    models_url: httpx.URL
    """The URL at which a GET lists the models."""

    def headers(self, key: str) -> Mapping[str, str]:
        """Returns the headers of every call; `key` may be empty."""

    def url(self, model: str) -> httpx.URL:
        """Returns the URL at which a POST streams an answer."""

    def tool_name(self, model: str) -> re.Pattern[str]:
        """Returns a pattern of acceptable tool names; other names are rewritten, see ToolNames."""

    def refused(self, request: inference_pb2.GenerateRequest) -> Collection[str]:
        """Returns the fields of `SamplingParams` that the model or the format is known to refuse.

        `thinking` is among them if the model has to answer this request without it.
        """

    def fitted(self, request: inference_pb2.GenerateRequest) -> Mapping[str, float]:
        """Returns the values of `SamplingParams` that have to be changed, as the model accepts them."""

    def extra_body(self, request: inference_pb2.GenerateRequest) -> Mapping[str, Any]:
        """Returns the catalog's additions to the body, as far as the provider accepts them with this request."""

    def body(self, request: inference_pb2.GenerateRequest) -> dict[str, Any]:
        """Returns the request's JSON body.

        Raises:
            ProviderError: this format cannot express a part, role, schema or setting.
        """

    def answer(self, request: inference_pb2.GenerateRequest) -> Answer:
        """Returns the reader of the answer to `request`."""
