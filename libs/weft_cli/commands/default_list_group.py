"""Groups of commands that list if no subcommand is given."""

from collections.abc import Sequence
from typing import Any

from typer.core import TyperGroup


class ListsByDefault(TyperGroup):
    """`weft jobs` alone, or with options only, is `weft jobs list`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not self._names_a_command(args, ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)

    def _names_a_command(self, args: Sequence[str], helps: Sequence[str]) -> bool:
        """Returns whether a command, or help, comes first, not counting the group's own options with their values."""
        own = {name for option in self.params for name in option.opts}
        words = iter(args)
        for word in words:
            if word in own:
                next(words, None)
            elif word.partition("=")[0] not in own:
                return word in self.commands or word in helps
        return False
