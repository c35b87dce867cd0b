"""The catalog: which providers the mesh may ask, and by which aliases its users name their models.

It is one TOML file, read once at start. A file with mistakes is refused with every mistake at once, each with its
place and what was expected:

    compose/weft.toml: models.default.routes[0].provider: "lokal" is not a provider; expected one of local, openai
"""

import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    PositiveFloat,
    PositiveInt,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
# A gRPC target: host:port, or a scheme that names several replicas (ipv4:10.0.0.1:7604,10.0.0.2:7604, dns:///inference:7604).
Target = Annotated[str, StringConstraints(pattern=r"^\S+:\d{1,5}$")]

_KINDS = "inference, openai"
_OWN_FINDINGS = ("secret", "two_keys", "no_room")
_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")


class CatalogError(ValueError):
    """The catalog cannot be used; one line a problem."""

    def __init__(self, path: Path, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{path}: {problem}" for problem in self.problems))


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InferenceProvider(_Entry):
    """An engine of our own, reached by gRPC."""

    kind: Literal["inference"]
    target: Target


class OpenAIProvider(_Entry):
    """Anything that speaks OpenAI's chat completions, at a base URL that ends where `/chat/completions` begins."""

    kind: Literal["openai"]
    base_url: HttpUrl
    api_key_env: str | None = None
    api_key_file: Path | None = None
    max_connections: PositiveInt = 512
    connect_timeout_s: PositiveFloat = 5.0

    @model_validator(mode="before")
    @classmethod
    def _holds_no_secret(cls, entry: object) -> object:
        if isinstance(entry, dict) and "api_key" in entry:
            raise PydanticCustomError("secret", "a key does not belong here; name it by api_key_env or api_key_file")
        return entry

    @model_validator(mode="after")
    def _has_one_source_of_its_key(self) -> "OpenAIProvider":
        if self.api_key_env and self.api_key_file:
            raise PydanticCustomError("two_keys", "has api_key_env and api_key_file; keep one")
        return self


ProviderEntry = Annotated[InferenceProvider | OpenAIProvider, Field(discriminator="kind")]


class Route(_Entry):
    """One way to answer an alias: a provider, and that provider's own name for the model.

    An empty `model` means the one model an inference engine has loaded.
    """

    provider: str
    model: str = ""

    @model_validator(mode="after")
    def _leads_somewhere(self, info: ValidationInfo) -> "Route":
        known: Mapping[str, object] = (info.context or {}).get("providers", {self.provider: {}})
        entry = known.get(self.provider)
        if entry is None:
            names = ", ".join(known) or "none, for [providers] is empty"
            reason = f'provider: "{self.provider}" is not a provider; expected one of {names}'
            raise PydanticCustomError("route", "{reason}", {"reason": reason})
        if isinstance(entry, dict) and entry.get("kind") == "openai" and not self.model:
            raise PydanticCustomError("route", "model: is required with a provider of kind openai")
        return self


class Timeouts(_Entry):
    """How long a provider may take, in seconds, before another try: to the first token, between two, and in all."""

    first_token_s: PositiveFloat = 10.0
    between_tokens_s: PositiveFloat = 10.0
    total_s: PositiveFloat = 30.0


class ModelAlias(_Entry):
    """What a request may name as its model.

    `routes` stand in order of preference. `selection` says how to choose among those that are well: "priority" takes
    the first, "fastest" the one expected to answer soonest.
    """

    routes: tuple[Route, ...] = Field(min_length=1)
    selection: Literal["priority", "fastest"] = "priority"
    max_output_tokens: PositiveInt = 1024
    context_tokens: PositiveInt = 8192
    timeouts: Timeouts = Timeouts()

    @model_validator(mode="after")
    def _leaves_room_for_the_prompt(self) -> "ModelAlias":
        if self.max_output_tokens >= self.context_tokens:
            raise PydanticCustomError(
                "no_room",
                "max_output_tokens ({output}) must be less than context_tokens ({context})",
                {"output": self.max_output_tokens, "context": self.context_tokens},
            )
        return self


class Share(_Entry):
    """What a tenant may have of the workers: its weight against others that wait, and its caps in jobs.

    `max_in_flight` bounds the jobs in workers' hands, for each priority, and holds the rest in the queue.
    `max_unfinished` bounds queued and running ones of all priorities together, and refuses the rest.
    """

    weight: PositiveFloat = 1.0
    max_in_flight: PositiveInt = 10_000
    max_unfinished: PositiveInt = 100_000


class Catalog(_Entry):
    """The whole file. The tables keep the file's order; `default_share` is of tenants that `tenants` does not name."""

    providers: dict[Name, ProviderEntry] = Field(min_length=1)
    models: dict[Name, ModelAlias] = Field(min_length=1)
    default_share: Share = Share()
    tenants: dict[Name, Share] = {}

    def share(self, tenant: str) -> Share:
        return self.tenants.get(tenant, self.default_share)

    def serving(self, provider: str) -> list[str]:
        """The provider's own names of the models that aliases route to it, each once."""
        routes = (route for alias in self.models.values() for route in alias.routes)
        return list(dict.fromkeys(route.model for route in routes if route.provider == provider))


def load_catalog(path: Path, environ: Mapping[str, str] = os.environ) -> Catalog:
    """Read and check the file at `path`, with `${NAME}` and `${NAME:-default}` in its texts taken from `environ`.

    Raises:
        CatalogError: the file is missing, is not TOML, or has mistakes; all of them are named.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CatalogError(path, [f"cannot be read ({error.strerror}); check the service's CATALOG_FILE"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CatalogError(path, [f"is not TOML: {error}"]) from error
    unset: list[str] = []
    data = _interpolated(raw, environ, "", unset)
    try:
        catalog = Catalog.model_validate(data, context={"providers": data.get("providers", {})})
    except ValidationError as error:
        raise CatalogError(path, [*unset, *map(_sentence, error.errors())]) from error
    if unset:
        raise CatalogError(path, unset)
    return catalog


def _interpolated(value: Any, environ: Mapping[str, str], place: str, unset: list[str]) -> Any:
    """Copy `value` with variables replaced in every text; problems are added to `unset`."""
    match value:
        case dict():
            return {
                key: _interpolated(item, environ, f"{place}.{key}" if place else key, unset)
                for key, item in value.items()
            }
        case list():
            return [_interpolated(item, environ, f"{place}[{i}]", unset) for i, item in enumerate(value)]
        case str():
            return _VARIABLE.sub(partial(_replacement, environ=environ, place=place, unset=unset), value)
    return value


def _replacement(found: re.Match[str], *, environ: Mapping[str, str], place: str, unset: list[str]) -> str:
    name, default = found["name"], found["default"]
    if default is not None:
        return environ.get(name) or default
    if name not in environ:
        unset.append(f"{place}: {name} is not set; set it or write ${{{name}:-a default}}")
    return environ.get(name, "")


def _sentence(error: ErrorDetails) -> str:
    """Put one of pydantic's findings as a place and what was expected there."""
    place, message = _place(error["loc"]), error["msg"]
    match error["type"]:
        case "missing":
            message = "is required"
        case "extra_forbidden":
            message = "is not a setting here"
        case "union_tag_not_found":
            place, message = f"{place}.kind", f"is required; expected one of {_KINDS}"
        case "union_tag_invalid":
            place, message = f"{place}.kind", f'"{error["ctx"]["tag"]}" is not a kind; expected one of {_KINDS}'
        case "route":
            return f"{place}.{message}"
        case found if found not in _OWN_FINDINGS:
            message = f"{message[:1].lower()}{message[1:]}; found {error['input']!r}"
    return f"{place}: {message}"


def _place(loc: tuple[int | str, ...]) -> str:
    # Pydantic marks a bad key by a further "[key]", and adds the kind it chose, for which the file has no level.
    loc = tuple(part for part in loc if part != "[key]")
    if loc[0] == "providers":
        loc = (*loc[:2], *loc[3:])
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).removeprefix(".")
