"""HTML: the text a reader came for, without scripts, menus and footers."""

import codecs
import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from weft_retrieval.formats.byte_order_mark import declared_encoding
from weft_retrieval.formats.html_limits import bounded
from weft_retrieval.formats.outline import MAX_TITLE, Heading, Parsed

_BOILERPLATE = (
    "script, style, noscript, template, nav, footer, aside, form, button, select, svg, iframe, object, "
    "[hidden], [aria-hidden=true], [role=navigation], [role=banner], [role=contentinfo]"
)
_HEADINGS = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6}
_INLINE = frozenset(
    {
        "a", "abbr", "b", "bdi", "bdo", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins", "kbd",
        "label", "mark", "q", "rp", "rt", "ruby", "s", "samp", "small", "span", "strong", "sub", "sup", "td",
        "th", "time", "tt", "u", "var", "wbr",
    }
)  # fmt: skip
_CHARSET = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
# Python has them among the encodings, no page is in one, and they fail or take their time in ways of their own.
_NO_ENCODINGS = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7"})
_SPACE = re.compile(r"\s+")


def read_html(content: bytes) -> Parsed:
    tree = LexborHTMLParser(bounded(_decode(content).replace("\x00", "")))
    for node in tree.css(_BOILERPLATE):
        node.decompose()
    root = _main(tree)
    return _Page().read(root) if root is not None else Parsed("")


def _decode(content: bytes) -> str:
    """Follows the standard: byte order mark, then `<meta charset>`, then UTF-8, then windows-1252."""
    if encoding := declared_encoding(content):
        return content.decode(encoding, errors="replace")
    declared = _CHARSET.search(content[:1024])
    for encoding in (declared[1].decode("ascii") if declared else "utf-8", "utf-8"):
        try:
            if codecs.lookup(encoding).name not in _NO_ENCODINGS:
                return content.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    return content.decode("windows-1252", errors="replace")


def _main(tree: LexborHTMLParser) -> LexborNode | None:
    """Returns the one `main` or the only `article`, else the body."""
    articles = tree.css("article")
    return tree.css_first("main") or (articles[0] if len(articles) == 1 else tree.body)


class _Page:
    """Gathers paragraphs: text nodes under the same block element belong together."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._length = 0
        self._headings: list[Heading] = []
        self._pieces: list[str] = []
        self._block: LexborNode | None = None
        self._blocks: dict[int, LexborNode] = {}
        """For inline elements the block that they are in, so that nobody climbs up twice."""

    def read(self, root: LexborNode) -> Parsed:
        for node in root.traverse(include_text=True):
            if node.tag == "-text":
                self._add(node)
            elif node.tag == "br":
                self._pieces.append("\n")
            elif node.tag in {"td", "th"}:
                self._pieces.append(" ")
        self._flush()
        return Parsed("".join(self._text), tuple(self._headings))

    def _add(self, node: LexborNode) -> None:
        block = self._block_of(node)
        if self._block is None or block.mem_id != self._block.mem_id:
            self._flush()
            self._block = block
        text = node.text_content or ""
        # A line break in the source is a space; only <br> and <pre> break lines.
        self._pieces.append(text if block.tag == "pre" else _SPACE.sub(" ", text))

    def _block_of(self, node: LexborNode) -> LexborNode:
        passed = []
        while (parent := node.parent) is not None:
            node = parent
            if node.tag not in _INLINE:
                break
            if known := self._blocks.get(node.mem_id):
                node = known
                break
            passed.append(node.mem_id)
        self._blocks.update(dict.fromkeys(passed, node))
        return node

    def _flush(self) -> None:
        tag = self._block.tag if self._block else None
        paragraph = _tidy("".join(self._pieces), preformatted=tag == "pre")
        self._pieces = []
        if not paragraph:
            return
        if tag in _HEADINGS:
            paragraph = _SPACE.sub(" ", paragraph)
            self._headings.append(Heading(self._length, _HEADINGS[tag], paragraph[:MAX_TITLE]))
        self._text.append(paragraph + "\n\n")
        self._length += len(paragraph) + 2


def _tidy(text: str, *, preformatted: bool) -> str:
    if preformatted:
        return text.strip("\n").rstrip()
    lines = (_SPACE.sub(" ", line).strip() for line in text.split("\n"))
    return "\n".join(line for line in lines if line)
