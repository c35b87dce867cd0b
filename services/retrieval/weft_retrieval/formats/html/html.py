"""HTML: the text a visitor came for, without scripts, menus and footers."""

import re
from html import escape

from selectolax.lexbor import LexborHTMLParser, LexborNode

from weft_kit.document_names import ContentType
from weft_retrieval.formats.document_format import DocumentFormat
from weft_retrieval.formats.encodings import unicode_of, unreadable
from weft_retrieval.formats.html.content import content_of
from weft_retrieval.formats.html.limits import bounded
from weft_retrieval.formats.html.walk import walk
from weft_retrieval.formats.invisible import visible
from weft_retrieval.formats.outline import MAX_TITLE, Heading, Parsed

_HEADINGS = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6}
_BLOCKS = frozenset(
    {
        "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "dialog", "dir",
        "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "header", "hgroup", "hr", "html",
        "legend", "li", "listing", "main", "menu", "nav", "noscript", "ol", "p", "plaintext", "pre",
        "search", "section", "summary", "table", "tbody", "textarea", "tfoot", "thead", "tr", "ul", "xmp",
        *_HEADINGS,
    }
)  # fmt: skip
# What stands in these is in line, whatever it is called.
_PHRASES = frozenset({"p", "pre", "dt", "summary", "caption", "legend", "figcaption", *_HEADINGS})
_PREFORMATTED = frozenset({"pre", "listing", "xmp", "plaintext", "textarea"})
# In line, but things of their own: words on both sides stay apart.
_APART = frozenset({"area", "button", "img", "input", "label", "optgroup", "option", "select", "td", "text", "th"})
_FIELDS = frozenset({"text", "search", "email", "tel", "url", "number", "date", "time", "month", "week"})
_META = re.compile(rb"<meta\b[^<>]*?\bcharset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_XML = re.compile(rb"\s*<\?xml\b[^<>]*?\bencoding\s*=\s*[\"']\s*([\w.:-]+)", re.IGNORECASE)
_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
_HEAD = 4096
# A shadow root that is written into the page is shown. Its end tag ends nothing then, and the parser leaves it out.
_SHADOW_ROOT = re.compile(r"<template(?=[\s/])(?=[^<>]*?\bshadowrootmode\b)[^<>]*+>", re.IGNORECASE)
_XHTML = re.compile(r"\A\s*<\?xml\b|<html[^<>]*\bxmlns\s*=", re.IGNORECASE)
_CLOSED = re.compile(r"<(a|div|iframe|noscript|script|span|style|textarea|title)((?=[\s/])[^<>]*?)/>", re.IGNORECASE)
# Of frames only what is said instead of them is in the page.
_FRAMESET = re.compile(r"<frameset[\s/>]", re.IGNORECASE)
_FRAMES = re.compile(r"</?(?:frameset|noframes|frame)(?=[\s/>])[^<>]*+>", re.IGNORECASE)
_SPACE = re.compile(r"\s+")
_WORD_END = re.compile(r"[^\W\d_]{3}")
_NUMBER = re.compile(r"\s*[\[(]?\d{1,3}[\])]?\s*")


def read_html(content: bytes) -> Parsed:
    tree = _tree(unicode_of(content, _label(content)).replace("\x00", ""))
    page = _Page()
    page.read(tree)
    if not page.text() and tree.css_first("script"):
        raise unreadable("the page holds no text until its scripts run; save it from a browser, and send that")
    return Parsed(page.text(), tuple(page.headings), None if page.headings else _title(tree))


def _label(content: bytes) -> str:
    """Returns the encoding that the page declares, in an XML declaration or a `meta`; "" if it declares none."""
    head = _COMMENT.sub(b"", content[:_HEAD])
    declared = _XML.match(head) or _META.search(head)
    return declared[1].decode("ascii") if declared else ""


def _tree(html: str) -> LexborHTMLParser:
    shown = _SHADOW_ROOT.sub("<div>", _without_xml(html) if _XHTML.search(html[:_HEAD]) else html)
    if _FRAMESET.search(shown):
        shown = _FRAMES.sub("", shown)
    return LexborHTMLParser(bounded(shown))


def _without_xml(html: str) -> str:
    """Returns XHTML as HTML: what only XML ends by a slash would swallow the rest, and its CDATA would be a comment."""
    first, *others = html.split("<![CDATA[")
    sections = (section.partition("]]>") for section in others)
    plain = "".join((first, *(f"{escape(data, quote=False)}{rest}" for data, _, rest in sections)))
    return _CLOSED.sub(r"<\1\2></\1>", plain)


def _title(tree: LexborHTMLParser) -> str:
    title = tree.css_first("head title")
    named = _SPACE.sub(" ", title.text()).strip() if title else ""
    shared = tree.css_first("meta[property='og:title']")
    return visible(named or (shared.attributes.get("content") or "" if shared else ""))[:MAX_TITLE]


class _Page:
    """Collects paragraphs: text in the same block element belongs together."""

    def __init__(self) -> None:
        self.headings: list[Heading] = []
        self._text: list[str] = []
        self._length = 0
        self._pieces: list[str] = []
        self._open: list[tuple[bool, str]] = []
        """For each element that is open, whether it is a block, and the innermost block there."""
        self._level = 0
        """That of a heading that is open and has no text yet."""
        self._preformatted = 0
        self._is_after_break = self._is_after_link = self._is_in_another = False
        self._before_reading: list[list[str]] = []
        self._readings: list[str] = []

    def text(self) -> str:
        return "".join(self._text)

    def read(self, tree: LexborHTMLParser) -> None:
        content = content_of(tree)
        for root in content.roots:
            for node, begins in walk(root, content.left_out):
                if node.is_text_node:
                    self._add(node.text_content or "")
                elif node.is_element_node:
                    self._begin(node) if begins else self._end(node)
            self._flush()

    def _add(self, text: str) -> None:
        if text.strip():
            self._is_after_break = self._is_after_link = False
        # A line break in the source is a space; only <br> and <pre> break lines.
        if text:
            self._pieces.append(text if self._preformatted else _SPACE.sub(" ", text))

    def _begin(self, node: LexborNode) -> None:
        tag = node.tag or ""
        around = self._open[-1][1] if self._open else ""
        is_block = not self._preformatted and (tag in _BLOCKS or ("-" in tag and around not in _PHRASES))
        self._open.append((is_block, tag if is_block else around))
        if is_block:
            self._flush()
            self._level = _HEADINGS.get(tag, self._level)
        else:
            self._part(tag)
        self._preformatted += tag in _PREFORMATTED
        self._add(_shown_value(node))
        match tag:
            case "br":
                self._break()
            case "rt":
                self._before_reading.append(self._pieces)
                self._pieces = []
            case "sup" if self._pieces and _WORD_END.fullmatch(self._pieces[-1][-3:]) and _is_note(node):
                self._add(" ")
            case "iframe":
                self._read_another(node.attributes.get("srcdoc") or "")

    def _end(self, node: LexborNode) -> None:
        tag, (is_block, _) = node.tag or "", self._open.pop()
        if is_block:
            self._flush()
            self._level = 0 if tag in _HEADINGS else self._level
        else:
            self._part(tag)
        self._preformatted -= tag in _PREFORMATTED
        if tag == "rt":
            self._readings.append("".join(self._pieces))
            self._pieces = self._before_reading.pop()
        self._is_after_link = tag == "a"

    def _part(self, tag: str) -> None:
        """Separates words on both sides of an inline element that is independent of its surroundings."""
        if self._preformatted and tag in _BLOCKS:
            self._pieces.append("" if self._pieces and self._pieces[-1].endswith("\n") else "\n")
        elif tag in _APART or (tag == "a" and self._is_after_link):
            self._pieces.append(" ")

    def _break(self) -> None:
        """Breaks a line; the second time in a row, a paragraph."""
        if self._is_after_break and not self._preformatted:
            self._flush()
        else:
            self._pieces.append("\n")
            self._is_after_break = True

    def _read_another(self, html: str) -> None:
        """Reads a page inside the page, to a depth of one."""
        if html and not self._is_in_another:
            self._flush()
            self._is_in_another = True
            self.read(_tree(html))
            self._is_in_another = False

    def _flush(self) -> None:
        if self._readings:
            # How characters are read stands behind all of them: nobody would find a word that it is in.
            self._pieces.append(f" ({' '.join(self._readings)})")
        paragraph = _tidy(visible("".join(self._pieces)), preformatted=bool(self._preformatted))
        self._pieces, self._readings = [], []
        self._is_after_break = False
        if not paragraph:
            return
        if self._level:
            paragraph = _SPACE.sub(" ", paragraph)
            self.headings.append(Heading(self._length, self._level, paragraph[:MAX_TITLE]))
            self._level = 0
        self._text.append(paragraph + "\n\n")
        self._length += len(paragraph) + 2


def _shown_value(node: LexborNode) -> str:
    """Returns what an element displays that is not text of the page: a field's value, a picture's alternative text."""
    match node.tag:
        case "img" | "area":
            return node.attributes.get("alt") or ""
        case "input" if (node.attributes.get("type") or "text").lower() in _FIELDS:
            return node.attributes.get("value") or ""
        case "optgroup":
            return node.attributes.get("label") or ""
        case _:
            return ""


def _is_note(node: LexborNode) -> bool:
    """Says whether a raised number leads to a note; others belong to their word, as in units."""
    inside = node.child
    return inside is not None and (inside.tag == "a" or bool(_NUMBER.fullmatch(inside.text_content or "")))


def _tidy(text: str, *, preformatted: bool) -> str:
    if preformatted:
        return text.strip("\n").rstrip()
    lines = (_SPACE.sub(" ", line).strip() for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


HTML = DocumentFormat(
    content_type=ContentType.HTML,
    description="HTML",
    read=read_html,
    begins=re.compile(rb"\s*<(?:!doctype html|html|head|body)\b", re.IGNORECASE),
    overrides_plain_name=True,
)
