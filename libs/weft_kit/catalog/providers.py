"""The providers a catalog may name: one kind for each wire format, with its settings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    StringConstraints,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from weft_kit.user_paths import expanded

# A gRPC target: host:port, or a scheme for several replicas (ipv4:10.0.0.1:7604,10.0.0.2:7604, dns:///inference:7604).
Target = Annotated[str, StringConstraints(pattern=r"^\S+:\d{1,5}$")]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,64}$")]
HeaderValue = Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e]*$")]

# Where a provider runs, in the operator's own words: "eu", "us-east-1".
Region = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]

NO_KEYS_HERE = "a key does not belong here; name it by api_key_env or api_key_file"
_SECRET_HEADERS = frozenset(
    {"authorization", "proxy-authorization", "api-key", "x-api-key", "x-goog-api-key", "cookie"}
)


class Entry(BaseModel):
    """A table of the catalog: it cannot be changed, and unknown keys are mistakes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# A file named in the catalog: relative to the process's working directory, unless it begins with / or ~.
FilePath = Annotated[Path, AfterValidator(expanded)]


class Upstream(Entry):
    """The settings of every provider: where it runs, and its known limits, which each replica keeps on its own.

    Calls above `max_concurrency` at once, or above `calls_per_minute`, go to other routes or wait.
    """

    region: Region | None = None
    max_concurrency: PositiveInt | None = None
    calls_per_minute: PositiveInt | None = None

    def most_tokens(self, max_tokens: int) -> int:
        """Returns how many tokens an answer of up to `max_tokens` may take, thinking included.

        Most providers count thinking as part of the answer. Where the catalog sets a thinking budget (in `extra_body`)
        that leaves no room for an answer, the provider would refuse the call or end it before the answer begins, so
        `max_tokens` then counts for the answer alone.
        """
        budget = self._thinking_budget()
        return max_tokens + budget if isinstance(budget, int) and max_tokens <= budget else max_tokens

    def _thinking_budget(self) -> object:
        return None


class InferenceEntry(Upstream):
    """One of Weft's own inference engines, reached by gRPC."""

    kind: Literal["inference"]
    target: Target


class HttpEntry(Upstream):
    """The settings of every provider that is reached by HTTP.

    `headers` go with every call, and `extra_body` is merged into the body of every generation. After `keep_warm_s`
    without calls, a cheap request keeps a connection open; 0 turns this off, and so does plain HTTP, whose handshake
    costs little. `ca_file` holds the certificates to trust instead of the system's.
    """

    base_url: HttpUrl
    api_key_env: str | None = None
    api_key_file: FilePath | None = None
    headers: dict[HeaderName, HeaderValue] = {}
    extra_body: dict[str, Any] = {}
    takes_images: bool = True
    max_connections: PositiveInt = 512
    connect_timeout_s: PositiveFloat = 5.0
    keep_warm_s: NonNegativeFloat = 10.0
    ca_file: FilePath | None = None

    @field_validator("headers", mode="before")
    @classmethod
    def _hold_no_secret(cls, headers: object) -> object:
        names = {str(name).lower() for name in headers} if isinstance(headers, dict) else set()
        if names & _SECRET_HEADERS:
            raise PydanticCustomError("secret", "{finding}", {"finding": NO_KEYS_HERE})
        return headers

    @field_validator("api_key_file")
    @classmethod
    def _is_the_one_source_of_the_key(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        if file and info.data.get("api_key_env"):
            raise PydanticCustomError("two_keys", "has api_key_env and api_key_file; keep one")
        return file


class _OpenAIStyle(HttpEntry):
    """The settings of OpenAI's formats. `api_version` and `key_header = "api-key"` are for Azure."""

    api_version: str = ""
    key_header: Literal["authorization", "api-key"] = "authorization"


class OpenAIEntry(_OpenAIStyle):
    """Any server of OpenAI's chat completions, at a base URL that ends where `/chat/completions` begins.

    `max_tokens_field` is its name for the limit on an answer; "auto" chooses by the model's name. With `stream_usage`
    off it is not asked to count tokens. `continues_prefix` is for vLLM, which can continue a text.
    """

    kind: Literal["openai"]
    max_tokens_field: Literal["auto", "max_tokens", "max_completion_tokens"] = "auto"
    stream_usage: bool = True
    continues_prefix: bool = False


class OpenAIResponsesEntry(_OpenAIStyle):
    """OpenAI's Responses API, at a base URL that ends where `/responses` begins."""

    kind: Literal["openai_responses"]
    base_url: HttpUrl = HttpUrl("https://api.openai.com/v1")


class AnthropicEntry(HttpEntry):
    """Anthropic's Messages API, at a base URL that ends where `/messages` begins.

    `version` is the value of the header anthropic-version. `continues_prefix` is for models that accept the beginning
    of their answer in the request; newer ones do not.
    """

    kind: Literal["anthropic"]
    base_url: HttpUrl = HttpUrl("https://api.anthropic.com/v1")
    version: HeaderValue = "2023-06-01"
    continues_prefix: bool = False

    def _thinking_budget(self) -> object:
        return _within(self.extra_body, "thinking", "budget_tokens")


class GeminiEntry(HttpEntry):
    """Google's Gemini, at a base URL that ends where `/models/NAME:streamGenerateContent` begins."""

    kind: Literal["gemini"]
    base_url: HttpUrl = HttpUrl("https://generativelanguage.googleapis.com/v1beta")

    def _thinking_budget(self) -> object:
        return _within(self.extra_body, "generationConfig", "thinkingConfig", "thinkingBudget")


ProviderEntry = Annotated[
    InferenceEntry | OpenAIEntry | OpenAIResponsesEntry | AnthropicEntry | GeminiEntry, Field(discriminator="kind")
]

_ENTRIES = get_args(get_args(ProviderEntry)[0])
KINDS = tuple(sorted(kind for entry in _ENTRIES for kind in get_args(entry.model_fields["kind"].annotation)))
"""The kinds of providers."""


def _within(table: object, *names: str) -> object:
    for name in names:
        table = table.get(name) if isinstance(table, dict) else None
    return table


def known_providers(info: ValidationInfo, otherwise: str) -> Mapping[str, object]:
    """Returns the catalog's providers as written; if there is no catalog, just one with the name `otherwise`."""
    known: Mapping[str, object] = (info.context or {}).get("providers", {otherwise: {}})
    return known
