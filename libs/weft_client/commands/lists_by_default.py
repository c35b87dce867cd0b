"""Groups of commands that list when no command of theirs is named."""

from typing import Any

from typer.core import TyperGroup


class ListsByDefault(TyperGroup):
    """`weft jobs` alone, or with options only, is `weft jobs list`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)
