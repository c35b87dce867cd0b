"""Shows spending to people: what was spent, what is left, and the limits of keys."""

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.text import Text

from weft.gateway.v1 import gateway_pb2 as pb
from weft_cli.views.durations import moment
from weft_cli.views.layout import columns, or_none
from weft_client.budgets import MICROS, micros_left, tokens_left


def usage_table(usage: pb.GetUsageResponse) -> RenderableType:
    """Returns the tokens and the money of the tenant and the key, and until when they count."""
    today = f"{usage.currency or 'money'} today"
    spent = {"tokens, last minute", today}
    table = columns("", "tokens, last minute", "tokens left", today, "held", "money left", wraps=spent)
    for name, spending in (("tenant", usage.tenant), ("this key", usage.key)):
        table.add_row(name, *_tokens(spending), *_money(spending))
    notes = f"tokens count for the minute after their call began, money until {moment(usage.day_end)}"
    if not usage.currency:
        notes += "\nwithout a price list nothing costs anything, whatever the budgets say: add [prices] to the catalog"
    return Group(table, Text(notes, style="dim"))


def keys_table(keys: Iterable[pb.Key]) -> RenderableType:
    limits = ("calls a minute", "tokens a minute", "money a day")
    table = columns("key", "tenant", "name", "created", "revoked", *limits, wraps={"name", "created", "revoked"})
    for key in keys:
        revoked = moment(key.revoke_time) if key.HasField("revoke_time") else ""
        rate = str(key.calls_per_minute or "default")
        tokens, micros = key.budget.tokens_per_minute, key.budget.micros_per_day
        budget = (f"{tokens:,}" if tokens else "", amount(micros) if micros else "")
        table.add_row(key.key_id, key.tenant, key.name, moment(key.create_time), revoked, rate, *budget)
    return or_none(table, "no keys")


def amount(micros: int, currency: str = "") -> str:
    """Returns micros as money: 2,500,000 as 2.50, with more digits only if they are not zero."""
    whole, rest = divmod(micros, MICROS)
    digits = f"{rest:06d}".rstrip("0").ljust(2, "0")
    return f"{whole:,}.{digits} {currency}".rstrip()


def _tokens(spending: pb.Spending) -> tuple[str, str]:
    used, left = f"{spending.tokens_last_minute:,}", tokens_left(spending)
    if left is None:
        return used, "no limit"
    return f"{used} of {spending.budget.tokens_per_minute:,}", f"{left:,}"


def _money(spending: pb.Spending) -> tuple[str, str, str]:
    used, held, left = amount(spending.micros_today), amount(spending.micros_held), micros_left(spending)
    if left is None:
        return used, held, "no limit"
    return f"{used} of {amount(spending.budget.micros_per_day)}", held, amount(left)
