"""Checks the environment of each service against its settings, before anything starts."""

import os
from collections.abc import Mapping, Sequence
from importlib import import_module

from weft_compose.errors import WrongSettings
from weft_compose.plan import ServicePlan
from weft_kit.config.settings import Settings


def check_settings(plans: Sequence[ServicePlan], environ: Mapping[str, str] = os.environ) -> None:
    """Raises WrongSettings if a service would refuse its environment, both inherited and planned."""
    found = dict.fromkeys(
        problem for plan in plans for problem in settings_of(plan.service).problems({**environ, **plan.environment()})
    )
    if len(found) == 1:
        raise WrongSettings(*found)
    if found:
        raise WrongSettings("\n  ".join((f"{len(found)} settings are wrong:", *found)))


def settings_of(service: str) -> type[Settings]:
    """Returns the class of a service's settings."""
    config: type[Settings] = import_module(f"weft_{service}.config").Config
    return config
