"""Limits on HTML that the parser lacks: how deep elements nest, and how many attributes one has.

The parser walks the open elements at every tag and an element's attributes at every attribute, so that a page of
nothing but start tags costs the square of its size. Browsers stop at a depth as well. This is no parser: it follows
what is open closely enough that ordinary pages stay as they are, and hostile ones lose tags, never text.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator

_MAX_DEPTH = 512
# Formatting is no text, and what is left open opens anew in every paragraph after it.
_MAX_FORMATTING = 8
_MAX_ATTRIBUTES = 512
# Of these the parser looks at all that came before: at their attributes, or at the choices of a select.
_MAX_SEEN = {"html": 8, "body": 8, "option": 1000, "optgroup": 1000}

_ATTRIBUTE_TEXT = r"""[^\s/>][^\s/>=]*+(?:\s*+=\s*+(?:"[^"]*+"|'[^']*+'|(?=>)|[^\s"'>][^\s>]*+))?+"""
_ATTRIBUTE = re.compile(_ATTRIBUTE_TEXT)
_TAG = re.compile(rf"<(?P<end>/?)(?P<name>[a-zA-Z][^\s/>]*+)(?P<rest>(?:[\s/]++|{_ATTRIBUTE_TEXT})*+)>")
_MARKUP = re.compile(r"<(?:!--|/?[a-zA-Z])")
_COMMENT_END = re.compile(r"--!?>")

_VOID = frozenset(
    {
        "area", "base", "basefont", "bgsound", "br", "col", "embed", "frame", "hr", "image", "img", "input",
        "keygen", "link", "meta", "param", "source", "track", "wbr",
    }
)  # fmt: skip
_RAW = frozenset(
    {
        "iframe", "noembed", "noframes", "script", "style", "textarea", "title", "xmp",
    }
)  # fmt: skip
_FORMATTING = frozenset(
    {
        "a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u",
    }
)  # fmt: skip
_BLOCKS = frozenset(
    {
        "address", "article", "aside", "blockquote", "center", "details", "dialog", "dir", "div", "dl",
        "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header",
        "hgroup", "hr", "listing", "main", "menu", "nav", "ol", "p", "pre", "search", "section", "summary",
        "table", "ul",
    }
)  # fmt: skip
_CELLS = frozenset({"td", "th"})
_SECTIONS = frozenset({"tbody", "thead", "tfoot"})
_SCOPE = frozenset(
    {
        "applet", "caption", "html", "marquee", "object", "select", "table", "td", "template", "th",
    }
)  # fmt: skip
_SPECIAL = _BLOCKS | _CELLS | _SECTIONS | _SCOPE | _RAW | frozenset({"body", "button", "colgroup", "dd", "dt", "head"})
_SPECIAL |= frozenset({"frameset", "li", "noscript", "plaintext", "tr"})
_TABLES = frozenset({"table", "template"})
_ITEM_WALLS = _SPECIAL - {"address", "div", "p"}
_ITEMS = {"li": frozenset({"li"}), "dt": frozenset({"dt", "dd"}), "dd": frozenset({"dt", "dd"})}
# In what a part of a table belongs: all that is open inside of that ends before it.
_PARENTS = {"tr": _SECTIONS | _TABLES} | dict.fromkeys(_CELLS, _TABLES | {"tr"}) | dict.fromkeys(_SECTIONS, _TABLES)
# What ends the foreign element that it begins in.
_BREAKOUTS = (
    _BLOCKS | (_FORMATTING - {"a"}) | frozenset({"body", "br", "dd", "dt", "embed", "head", "img", "li", "meta"})
)
_BREAKOUTS |= frozenset({"ruby", "span", "sub", "sup", "var"})
_FOREIGN = frozenset({"svg", "math"})
_HTML_INSIDE = frozenset(
    {
        "foreignobject", "desc", "title", "annotation-xml", "mi", "mo", "mn", "ms", "mtext",
    }
)  # fmt: skip


def bounded(html: str) -> str:
    """Returns the page less the tags and attributes that exceed the limits."""
    kept: list[str] = []
    at = 0
    for start, end, instead in _beyond(html):
        kept += (html[at:start], instead)
        at = end
    return "".join((*kept, html[at:])) if kept else html


def _beyond(html: str) -> Iterator[tuple[int, int, str]]:
    """Yields the parts that exceed the limits, and their replacements."""
    opened, at = _Open(), 0
    while found := _MARKUP.search(html, at):
        if found[0] == "<!--":
            ended = _COMMENT_END.search(html, found.start() + 2)
            at = ended.end() if ended else len(html)
            continue
        tag = _TAG.match(html, found.start())
        if tag is None:
            return  # It never ends, and nothing after it is text.
        at, name = tag.end(), tag["name"].lower()
        if opened.end(name) if tag["end"] else opened.start(name, tag["rest"]):
            # Text on both sides of a block stays apart.
            yield tag.start(), at, "<br>" if name in _BLOCKS else ""
        elif (cut := _too_many(tag)) is not None:
            yield cut, at - 1, ""
        if not tag["end"] and opened.is_raw(name):
            ended = re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE).search(html, at)
            at = ended.start() if ended else len(html)


class _Open:
    """The open elements, as far as nesting depth is concerned."""

    def __init__(self) -> None:
        self._stack: list[tuple[str, bool]] = []
        """Names, and whether what is inside is foreign."""
        self._count: Counter[str] = Counter()
        self._formatting: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()
        self._seen: Counter[str] = Counter()

    def start(self, name: str, attributes: str) -> bool:
        """Takes in a start tag; returns whether it is to be left out."""
        if name in _BREAKOUTS:
            while self._is_foreign():
                self._pop(len(self._stack) - 1)
        if name in _MAX_SEEN:
            self._seen[name] += 1
            return self._seen[name] > _MAX_SEEN[name]
        if name in _FORMATTING:
            return self._leaves_out(name, self._formatting, self._formatting.total() >= _MAX_FORMATTING)
        if not self._is_foreign():
            self._end_before(name)
        if name in _VOID or (_is_closed(attributes) and (self._is_foreign() or name in _FOREIGN)):
            return False
        is_too_deep = self._leaves_out(name, self._count, len(self._stack) >= _MAX_DEPTH)
        if not is_too_deep:
            self._stack.append((name, name in _FOREIGN or (self._is_foreign() and name not in _HTML_INSIDE)))
        return is_too_deep

    def end(self, name: str) -> bool:
        """Takes in an end tag; returns whether it belongs to a start tag that was left out."""
        if self._left_out[name]:
            self._left_out[name] -= 1
            return True
        if self._formatting[name]:
            self._formatting[name] -= 1
        elif name in _PARENTS or name in _TABLES:
            self._close({name}, _TABLES - {name})
        elif name in _ITEMS or name in _BLOCKS or name in _SCOPE:
            self._close({name}, _SCOPE - {name})
        else:
            self._close({name}, _SPECIAL - {name})
        return False

    def is_raw(self, name: str) -> bool:
        """Says whether the content of an element that has just begun is text up to its end tag."""
        # A foreign element of the name holds elements, and a `select` takes none of these but scripts.
        return name in _RAW and not self._is_foreign() and (name == "script" or not self._count["select"])

    def _is_foreign(self) -> bool:
        return bool(self._stack) and self._stack[-1][1]

    def _leaves_out(self, name: str, counted: Counter[str], too_many: bool) -> bool:  # noqa: FBT001
        (self._left_out if too_many else counted)[name] += 1
        return too_many

    def _end_before(self, name: str) -> None:
        """Ends what a start tag ends."""
        if name in _PARENTS and (self._count["table"] or self._count["template"]):
            while self._stack and self._stack[-1][0] not in _PARENTS[name]:
                self._pop(len(self._stack) - 1)
        if name in _ITEMS:
            self._close(_ITEMS[name], _ITEM_WALLS)
        if name in _BLOCKS or name in _ITEMS:
            self._close({"p"}, _SCOPE | {"button"})

    def _close(self, names: Collection[str], walls: Collection[str]) -> None:
        """Ends the innermost element of some names with all inside it, unless a wall stands before it."""
        if not any(self._count[name] for name in names):
            return
        for place in range(len(self._stack) - 1, -1, -1):
            name = self._stack[place][0]
            if name in names:
                self._pop(place)
                return
            if name in walls:
                return

    def _pop(self, place: int) -> None:
        for name, _ in self._stack[place:]:
            self._count[name] -= 1
        del self._stack[place:]


def _is_closed(attributes: str) -> bool:
    """Says whether a tag ends with a slash that is not part of a value without quotes."""
    value = attributes.rpartition("=")[2].strip() if "=" in attributes else ""
    return attributes.endswith("/") and (not value or value[0] in "\"'" or " " in value)


def _too_many(tag: re.Match[str]) -> int | None:
    """Returns where the attributes begin that are too many."""
    if len(tag["rest"]) <= _MAX_ATTRIBUTES:
        return None
    attributes = _ATTRIBUTE.finditer(tag.string, tag.start("rest"), tag.end("rest"))
    return next((found.start() for number, found in enumerate(attributes) if number == _MAX_ATTRIBUTES), None)
