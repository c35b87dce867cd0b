"""Settings: small frozen values, read once from the environment; wrong and mistyped ones are reported exactly."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from weft_kit.config.secrets import (
    exposed_files,
    file_variable,
    is_secret,
    secrets_in_files,
)
from weft_kit.config.variables import unknown_variables
from weft_kit.mesh_id import DEFAULT_MESH_ID, MeshId
from weft_kit.user_paths import expanded


class Settings(BaseSettings):
    """Settings that every service has. Subclass with `class Config(Settings, env_prefix="WEFT_GATEWAY_")`."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    listen: str
    """Address of the gRPC server, host:port; port 0 picks a free one."""
    metrics_listen: str = ""
    """Address of the Prometheus endpoint, host:port; empty means none."""
    log_format: Literal["auto", "console", "json"] = "auto"
    """"console" writes for people, "json" one JSON object per line, at half the cost; "auto" picks "console" on a
    terminal and "json" everywhere else."""
    grace_s: float = 10.0
    """Seconds that running calls have to finish after SIGTERM."""
    held_request_bytes: int = Field(512 * 1024 * 1024, ge=1024 * 1024)
    """Limit on the bytes of all requests that have arrived and are not answered yet; one tenant may use half of it."""
    mesh_id: MeshId = Field(DEFAULT_MESH_ID, validation_alias="WEFT_MESH_ID")
    """The id of the mesh that the service belongs to: the same for all services of a mesh, and different for each mesh.
    It is part of the names of streams and subjects in NATS, and is stored in PostgreSQL and Redis. 1-32 characters of
    a-z, 0-9 and "-"; it cannot be changed while there are jobs."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - as pydantic calls it
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Leaves out pydantic's own reading of the environment: `load` and `problems` read it."""
        return (init_settings,)

    @field_validator("*")
    @classmethod
    def _finds_home(cls, value: Any) -> Any:
        return expanded(value) if isinstance(value, Path) else value

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Reads the environment; if variables are wrong, prints a line for each and exits with 2."""
        config, problems = cls._read(os.environ, overrides)
        if config is None or problems:
            sys.stderr.writelines(f"{problem}\n" for problem in problems)
            sys.exit(2)
        sys.stderr.writelines(f"{warning}\n" for warning in exposed_files(os.environ, cls._secrets()))
        return config

    @classmethod
    def problems(cls, environ: Mapping[str, str]) -> list[str]:
        """Returns a line for each variable that would keep a service with this environment from starting."""
        return cls._read(environ, {})[1]

    @classmethod
    def variables(cls) -> frozenset[str]:
        """Returns the names of the variables that are read."""
        return frozenset(map(cls._variable, cls.model_fields)).union(map(file_variable, cls._secrets()))

    def read_by_others(self) -> frozenset[str]:
        """Returns variables with this service's prefix that are not its settings but are named by its catalog."""
        return frozenset()

    @classmethod
    def _read(cls, environ: Mapping[str, str], overrides: Mapping[str, Any]) -> tuple[Self | None, list[str]]:
        """Returns the settings, None if a value is wrong, and a line for each mistake in the environment."""
        in_files, unreadable = secrets_in_files(environ, cls._secrets())
        try:
            config = cls(**{**_Environment(cls, {**environ, **in_files})(), **overrides})
        except ValidationError as error:
            mistyped = unknown_variables(environ, cls.variables(), cls._prefix())
            return None, [*mistyped, *unreadable, *map(cls._sentence, error.errors())]
        mistyped = unknown_variables(environ, cls.variables() | config.read_by_others(), cls._prefix())
        return config, [*mistyped, *unreadable]

    @classmethod
    def _secrets(cls) -> frozenset[str]:
        """Returns the names of the variables that hold secrets."""
        return frozenset(cls._variable(name) for name, field in cls.model_fields.items() if is_secret(field))

    @classmethod
    def _prefix(cls) -> str:
        return str(cls.model_config.get("env_prefix", ""))

    @classmethod
    def _variable(cls, field: str) -> str:
        """Returns the variable that a field, or a part of it such as `log.replicas`, is read from."""
        known = cls.model_fields.get(field)
        return (known and known.validation_alias and str(known.validation_alias)) or f"{cls._prefix()}{field}".upper()

    @classmethod
    def _sentence(cls, problem: ErrorDetails) -> str:
        aliases = {str(field.validation_alias) for field in cls.model_fields.values() if field.validation_alias}
        place = ".".join(map(str, problem["loc"]))
        name = place if place in aliases else cls._variable(place)
        return f"{name}: {problem['msg'].removeprefix('Value error, ')}{cls._given(problem)}"

    @classmethod
    def _given(cls, problem: ErrorDetails) -> str:
        """Returns the given value, unless there is none or it is, or may contain, a secret."""
        field = cls.model_fields.get(str(problem["loc"][0])) if problem["loc"] else None
        if field is None or problem["type"] == "missing":
            return ""
        return " (what was given is a secret)" if is_secret(field) else f" (given: {problem['input']!r})"


class _Environment(EnvSettingsSource):
    """Reads the variables of an environment; a value that should be JSON and is not is left to its field's checks."""

    def __init__(self, settings: type[Settings], environ: Mapping[str, str]) -> None:
        super().__init__(settings)
        self.env_vars = {name.lower(): value for name, value in environ.items()}

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value
