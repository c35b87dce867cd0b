"""Text that was to be replaced before anybody reads it: marks of a merge, placeholders, notes to oneself, own paths."""

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

# Written so that this file does not find itself.
LEFTOVERS: Final[Mapping[str, re.Pattern[str]]] = {
    "mark of a merge": re.compile(r"^(?:<{7}|>{7}|\|{7})(?: |$)"),
    "placeholder": re.compile(r"@{2}[A-Z][A-Z0-9_]*@{2}"),
    "note to oneself": re.compile(r"\b(?:T[O]DO|F[I]XME|X{3})\b"),
    "path of a developer's machine": re.compile(r"(?<![\w.-])/(?:home|root|work|Users)/[\w.-]*"),
}


class Exemption(NamedTuple):
    """Text that one file may have, and why."""

    path: str
    text: str
    why: str


EXEMPTIONS: Final = (
    Exemption("tests/tree/leftovers.py", "/", "this list names what it exempts"),
    Exemption("compose/compose.gpu.yaml", "/root/.cache", "the user's folder inside a container"),
    Exemption("tests/fuzz/verdict.py", "/home/", "what no answer may contain"),
    Exemption("tests/fuzz/verdict.py", "/root/", "what no answer may contain"),
)


def leftovers(root: Path, exemptions: Sequence[Exemption] = EXEMPTIONS) -> Iterator[str]:
    """Yields a line for each leftover in the texts that git knows or would take, and for each idle exemption."""
    unused = set(exemptions)
    for name in _files(root):
        for number, kind, text in _in_text(_text(root / name)):
            used = {one for one in exemptions if one.path == name and text.startswith(one.text)}
            unused -= used
            if not used:
                yield f"{name}:{number}: {kind}: {text}"
    yield from (f"{one.path}: {one.text} is not there any more; take it out of EXEMPTIONS" for one in sorted(unused))


def _in_text(text: str) -> Iterator[tuple[int, str, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        for kind, pattern in LEFTOVERS.items():
            yield from ((number, kind, found.group().strip()) for found in pattern.finditer(line))


def _files(root: Path) -> list[str]:
    # Whoever runs this need not own the checkout.
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    return sorted(name for name in subprocess.check_output(command, cwd=root, text=True).split("\0") if name)


def _text(path: Path) -> str:
    """Returns a file's text; "" for what is no text, or is a link or gone."""
    if path.is_symlink() or not path.is_file():
        return ""
    content = path.read_bytes()
    return "" if b"\0" in content[:8192] else content.decode(errors="replace")
