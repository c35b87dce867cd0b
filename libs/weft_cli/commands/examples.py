"""The examples below a command's help."""

from rich.markup import escape


def examples(*calls: str) -> str:
    """Returns the epilog with examples of a command, each as it is typed after `weft`."""
    return "\n".join(("Examples:", "", *(escape(f"  weft {call}") for call in calls)))
