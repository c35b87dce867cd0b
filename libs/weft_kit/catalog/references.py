"""Aliases that refer to aliases: fallbacks, drafts and escalations, which must exist and never form a circle."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from weft_kit.catalog.routing import Escalation, Policy

P = TypeVar("P", bound=Policy)


def chain(name: str, models: Mapping[str, P]) -> dict[str, P]:
    """Returns an alias and everything it may fall back to, in the order in which they are tried."""
    found: dict[str, P] = {}
    _gather(name, models, found)
    return found


def problems(models: Mapping[str, Policy]) -> list[str]:
    """Returns a line for each reference to an unknown alias, and for each that closes a circle, with its place."""
    found: list[str] = []
    for name, policy in models.items():
        for place, target in _references(policy):
            if target not in models:
                known = ", ".join(models)
                found.append(f'models.{name}.{place}: "{target}" is not a model alias; expected one of {known}')
            elif way := _way(target, name, models, (name,)):
                found.append(f"models.{name}.{place}: leads in a circle ({' → '.join(way)}); take one step out")
    return found


def readable(models: object) -> dict[str, Policy]:
    """Returns the references of aliases with mistakes, as far as they can be read."""
    tables = models if isinstance(models, dict) else {}
    return {str(name): _policy(table if isinstance(table, dict) else {}) for name, table in tables.items()}


def _policy(table: Mapping[str, Any]) -> Policy:
    fallbacks, draft, escalate = table.get("fallbacks"), table.get("draft"), table.get("escalate")
    to = escalate.get("to") if isinstance(escalate, dict) else None
    return Policy.model_construct(
        fallbacks=tuple(name for name in fallbacks if isinstance(name, str)) if isinstance(fallbacks, list) else (),
        draft=draft if isinstance(draft, str) else None,
        escalate=Escalation.model_construct(to=to) if isinstance(to, str) else None,
    )


def _gather(name: str, models: Mapping[str, P], found: dict[str, P]) -> None:
    if name in found:
        return
    found[name] = models[name]
    for fallback in models[name].fallbacks:
        _gather(fallback, models, found)


def _references(policy: Policy) -> Iterator[tuple[str, str]]:
    for place, name in enumerate(policy.fallbacks):
        yield f"fallbacks[{place}]", name
    if policy.draft is not None:
        yield "draft", policy.draft
    if policy.escalate is not None:
        yield "escalate.to", policy.escalate.to


def _way(start: str, goal: str, models: Mapping[str, Policy], walked: Sequence[str]) -> tuple[str, ...]:
    """Returns the aliases from `walked` through `start` to `goal`; nothing if there is no way."""
    if start == goal:
        return (*walked, goal)
    if start in walked or start not in models:
        return ()
    ways = (_way(target, goal, models, (*walked, start)) for _, target in _references(models[start]))
    return next(filter(None, ways), ())
