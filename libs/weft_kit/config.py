"""Settings: small frozen values, read once from the environment, wrong ones named exactly."""

import sys
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, get_args

from pydantic import SecretBytes, SecretStr, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from weft_kit.user_paths import expanded


class Settings(BaseSettings):
    """What every service has. Subclass with `class Config(Settings, env_prefix="WEFT_GATEWAY_")`."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(frozen=True, extra="ignore")

    listen: str
    """Address of the gRPC server, host:port; port 0 picks a free one."""
    metrics_listen: str = ""
    """Address of the Prometheus endpoint; empty means none."""
    log_format: Literal["auto", "console", "json"] = "auto"
    """"auto" is for people on a terminal and JSON lines everywhere else, at half the cost."""
    grace_s: float = 10.0
    """How long running calls may finish after SIGTERM."""

    @field_validator("*")
    @classmethod
    def _finds_home(cls, value: Any) -> Any:
        return expanded(value) if isinstance(value, Path) else value

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Reads the environment; prints a line per bad variable and exits with 2 when one is wrong."""
        try:
            return cls(**overrides)
        except ValidationError as error:
            prefix = cls.model_config.get("env_prefix", "")
            for problem in error.errors():
                name = f"{prefix}{'.'.join(map(str, problem['loc']))}".upper()
                sys.stderr.write(f"{name}: {problem['msg']}{cls._given(problem)}\n")
            sys.exit(2)

    @classmethod
    def _given(cls, problem: ErrorDetails) -> str:
        """Shows what was given, unless that is nothing, or would show a secret: a whole model may hold some."""
        field = cls.model_fields.get(str(problem["loc"][0])) if problem["loc"] else None
        if field is None or problem["type"] == "missing":
            return ""
        kinds = (field.annotation, *get_args(field.annotation))
        is_secret = SecretStr in kinds or SecretBytes in kinds
        return " (what was given is a secret)" if is_secret else f" (given: {problem['input']!r})"
