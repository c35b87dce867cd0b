"""The catalog: which providers the mesh may call, and the aliases by which its users name models.

It is a TOML file, read at start and whenever it changes. A file with mistakes is refused, and all of them are reported
at once, each with its line, its place and what was expected:

    compose/weft.toml:46: models.default.routes[0].provider: "lokal" is not a provider; expected one of local, openai
"""

import os
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from pydantic import (
    Field,
    PositiveFloat,
    PositiveInt,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from weft_kit import toml_file
from weft_kit.cache_key import CacheSetting
from weft_kit.catalog import references
from weft_kit.catalog.context_template import ContextTemplate
from weft_kit.catalog.prices import Budget, Prices
from weft_kit.catalog.providers import (
    KINDS,
    NO_KEYS_HERE,
    Entry,
    ProviderEntry,
    known_providers,
)
from weft_kit.catalog.retention import Retention
from weft_kit.catalog.routing import Breaking, Policy
from weft_kit.catalog.variables import interpolated
from weft_kit.toml_file import TomlFileError

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]

_PROVIDER: TypeAdapter[ProviderEntry] = TypeAdapter(ProviderEntry)
_KINDS = ", ".join(KINDS)
# These are about a whole table, but are raised at one of its keys, so that one mistake hides no other.
_OF_TABLES = ("secret", "two_keys", "no_room", "too_few")
_OWN_FINDINGS = (*_OF_TABLES, "template", "route", "prices", "budget", "retention", "nothing_stored")
# The words of TOML, in place of Python's.
_SHAPES = {
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "list_type": "a list",
    "tuple_type": "a list",
}


class CatalogError(TomlFileError):
    """The catalog cannot be used."""


class Route(Entry):
    """One way to answer an alias: a provider, and the provider's own name for the model.

    An empty `model` means the one that an inference engine has loaded. `weight` is used by selection "weighted".
    """

    provider: str
    model: str = Field(default="", validate_default=True)
    weight: PositiveFloat = 1.0

    @field_validator("provider")
    @classmethod
    def _leads_somewhere(cls, provider: str, info: ValidationInfo) -> str:
        known = known_providers(info, provider)
        if provider not in known:
            names = ", ".join(known) or "none, for [providers] is empty"
            reason = f'"{provider}" is not a provider; expected one of {names}'
            raise PydanticCustomError("route", "{reason}", {"reason": reason})
        return provider

    @field_validator("model")
    @classmethod
    def _names_a_model(cls, model: str, info: ValidationInfo) -> str:
        provider = info.data.get("provider", "")
        entry = known_providers(info, provider).get(provider)
        kind = entry.get("kind") if isinstance(entry, dict) else None
        if kind in KINDS and kind != "inference" and not model:
            raise PydanticCustomError("route", "is required with a provider of kind {kind}", {"kind": kind})
        return model


class ModelAlias(Policy):
    """What a request may name as its model.

    `routes` are in order of preference. `selection` says how to choose among the available ones: "priority" takes the
    first, "fastest" the one expected to answer soonest, "cheapest" the one with the lowest price, and "weighted" draws
    one at random by weight. `context` says how retrieved sources appear in the prompt.
    """

    routes: tuple[Route, ...] = Field(min_length=1)
    max_output_tokens: PositiveInt = 1024
    context_tokens: PositiveInt = Field(default=8192, validate_default=True)
    context: ContextTemplate = ContextTemplate()

    @field_validator("context_tokens")
    @classmethod
    def _leaves_room_for_the_prompt(cls, context_tokens: int, info: ValidationInfo) -> int:
        output = info.data.get("max_output_tokens", 0)
        if output >= context_tokens:
            raise PydanticCustomError(
                "no_room",
                "max_output_tokens ({output}) must be less than context_tokens ({context})",
                {"output": output, "context": context_tokens},
            )
        return context_tokens


class TenantShare(Entry):
    """A tenant's share of the workers: its weight against other waiting tenants, and its limits in jobs.

    Priorities order a tenant's own jobs; with `expedited`, its jobs of priority HIGH also go before those of others.
    `max_in_flight` limits the jobs that workers hold, for each priority; the rest wait in the queue. `max_unfinished`
    limits queued and running jobs of all priorities together; the rest are refused.
    """

    weight: PositiveFloat = 1.0
    expedited: bool = False
    max_in_flight: PositiveInt = 10_000
    max_unfinished: PositiveInt = 100_000


class Catalog(Entry):
    """The whole file. Tables keep the file's order. `default_share` is for tenants that `tenants` does not name,
    `default_budget` for those that `budgets` does not name, `default_retention` for those that `retention` does not.
    """

    providers: dict[Name, ProviderEntry] = Field(min_length=1)
    models: dict[Name, ModelAlias] = Field(min_length=1)
    breaker: Breaking = Breaking()
    default_share: TenantShare = TenantShare()
    tenants: dict[Name, TenantShare] = Field(default_factory=dict)
    prices: Prices | None = None
    default_budget: Budget = Budget()
    budgets: dict[Name, Budget] = Field(default_factory=dict)
    default_retention: Retention = Retention()
    retention: dict[Name, Retention] = Field(default_factory=dict)

    def chain(self, alias: str) -> dict[str, ModelAlias]:
        """Returns an alias and everything it may fall back to, in the order in which they are tried."""
        return references.chain(alias, self.models)

    def cache_setting(self, alias: str) -> CacheSetting:
        """Returns an alias's cache setting; "off" for one that was removed meanwhile, since it may have been off."""
        return self.models[alias].cache if alias in self.models else "off"

    def share(self, tenant: str) -> TenantShare:
        return self.tenants.get(tenant, self.default_share)

    def budget(self, tenant: str) -> Budget:
        return self.budgets.get(tenant, self.default_budget)

    def retention_of(self, tenant: str) -> Retention:
        return self.retention.get(tenant, self.default_retention)

    def may_cost(self, alias: str) -> bool:
        """Returns whether a request for an alias may reach a provider that costs money; never for an unknown alias."""
        chain = self.chain(alias) if self.prices and alias in self.models else {}
        routes = (route for model in chain.values() for route in model.routes)
        prices = (self.prices.of(route.provider, route.model) for route in routes if self.prices)
        return any(price and not price.is_nothing for price in prices)

    def serving(self, provider: str) -> list[str]:
        """Returns the provider's own names for the models that aliases route to it, each once."""
        routes = (route for alias in self.models.values() for route in alias.routes)
        return list(dict.fromkeys(route.model for route in routes if route.provider == provider))


def load_catalog(path: Path, environ: Mapping[str, str] = os.environ) -> Catalog:
    """Reads and checks the file at `path`; see parse_catalog.

    Raises:
        CatalogError: the file is missing, is not TOML, or has mistakes; it names all of them.
    """
    return parse_catalog(read_catalog(path), path, environ)


def read_catalog(path: Path) -> str:
    """Returns the contents of the file. Raises CatalogError if it cannot be read."""
    return toml_file.read_text(path, "check the service's CATALOG_FILE", CatalogError)


def parse_catalog(text: str, path: Path, environ: Mapping[str, str] = os.environ) -> Catalog:
    """Returns the catalog in a text, in which `${NAME}` and `${NAME:-default}` are replaced from `environ`.

    `path` is for the errors.

    Raises:
        CatalogError: the text is not TOML, or has mistakes; it names all of them.
    """
    raw = toml_file.parse(text, path, CatalogError)
    unset: dict[str, str] = {}
    data = interpolated(raw, environ, unset)
    try:
        catalog = Catalog.model_validate(
            data, context={"providers": data.get("providers", {}), "prices": "prices" in data}
        )
    except ValidationError as error:
        # If every item of a list is wrong, pydantic also calls the list too short.
        mistakes = (_sentence(one) for one in error.errors() if one["type"] != "too_short" or not one["input"])
        # In a text whose variable is not set, other mistakes follow from that.
        real = (mistake for mistake in mistakes if mistake.partition(": ")[0] not in unset)
        found = [*unset.values(), *real, *references.problems(references.readable(data.get("models")))]
        raise CatalogError(path, found, text) from error
    if found := [*unset.values(), *references.problems(catalog.models)]:
        raise CatalogError(path, found, text)
    return catalog


def readable(text: str, environ: Mapping[str, str] = os.environ) -> Catalog:
    """Returns only the providers of a catalog with mistakes, as far as they can be read."""
    try:
        written = interpolated(tomllib.loads(text), environ, {}).get("providers")
    except tomllib.TOMLDecodeError:
        written = None
    providers = {}
    for name, entry in written.items() if isinstance(written, dict) else ():
        with suppress(ValidationError):
            providers[name] = _PROVIDER.validate_python(entry)
    return Catalog.model_construct(providers=providers, models={})


def _sentence(error: ErrorDetails) -> str:
    """Returns one of pydantic's errors as a place and what was expected there."""
    place, message = _place(error["loc"]), error["msg"]
    match error["type"]:
        case "missing":
            message = "is required"
        case "extra_forbidden" if error["loc"][-1] == "api_key":
            place, message = _place(error["loc"][:-1]), NO_KEYS_HERE
        case "extra_forbidden":
            message = "is not a setting here"
        case "union_tag_not_found":
            place, message = f"{place}.kind", f"is required; expected one of {_KINDS}"
        case "union_tag_invalid":
            place, message = f"{place}.kind", f'"{error["ctx"]["tag"]}" is not a kind; expected one of {_KINDS}'
        case found if found in _OF_TABLES:
            place = _place(error["loc"][:-1])
        case found if found in _SHAPES:
            message = f"input should be {_SHAPES[found]}; found {error['input']!r}"
        case found if found not in _OWN_FINDINGS:
            message = f"{message[:1].lower()}{message[1:]}; found {error['input']!r}"
    return f"{place}: {message}"


def _place(loc: tuple[int | str, ...]) -> str:
    # Pydantic adds "[key]" for a bad key, and the kind of a provider, which is not a level of the file.
    loc = tuple(part for part in loc if part != "[key]")
    if loc[0] == "providers":
        loc = (*loc[:2], *loc[3:])
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).removeprefix(".")
