"""Which elements of a page may not be part of its text: menus, banners, collapsed and hidden elements."""

import re
from collections.abc import Mapping
from enum import Enum, auto

from selectolax.lexbor import LexborHTMLParser, LexborNode

Attributes = Mapping[str, str | None]


class BlockKind(Enum):
    """What an element may be besides text."""

    NOTHING = auto()
    """Shown to nobody, or a second time."""
    BANNER = auto()
    """Asks for consent, or for one of many things."""
    CHROME = auto()
    """Menus, footers, what is not open."""
    LINKS = auto()
    """Chrome when most of it is links."""
    SUBSTITUTE = auto()
    """Shown where scripts do not run: text when it is long."""


_NOTHING = frozenset(
    {
        "annotation", "annotation-xml", "audio", "datalist", "desc", "head", "metadata", "noembed", "rp", "script",
        "style", "template", "title", "video",
    }
)  # fmt: skip
# Numbers of lines; pictures that are drawn by the letters of a font; formulas that stand beside their MathML.
_NO_TEXT = re.compile(
    r"(?:^|\s)(?:linenos?|linenumbers?|line-numbers?|line-numbers-rows|gutter|blob-num|hljs-ln-numbers|katex-html"
    r"|material-icons\S*|material-symbols\S*)(?:\s|$)",
    re.IGNORECASE,
)
_CONSENT = re.compile(r"cookie|consent|gdpr|onetrust|usercentrics|(?:^|[\s_-])cc-", re.IGNORECASE)
_BANNER = re.compile(
    r"banner|bar\b|bot|box|dialog|disclaimer|message|modal|notice|notification|overlay|popup|pop-up|prompt|sdk|toast"
    r"|wall|window|consent(?!\w)",
    re.IGNORECASE,
)
_CHROME_ROLES = frozenset({"banner", "contentinfo", "navigation", "search"})
_DIALOG = re.compile(r"(?:^|\s)modal(?:\s|$)")
_OPENERS = ("aria-controls", "data-target", "data-bs-target", "popovertarget", "commandfor", "href")
_QUESTIONS = frozenset({"button", "dt", "h2", "h3", "h4", "h5", "h6"})
_MOST_CHOICES = 30


class Judge:
    """Decides for each element what it may be besides text."""

    def __init__(self, tree: LexborHTMLParser) -> None:
        self._has_main = tree.css_first("main, [role=main], article") is not None
        names = ", ".join(f"[{name}]" for name in _OPENERS[:-1])
        self._opened = {
            value.lstrip("#")
            for node in tree.css(f"{names}, a[href^='#']")
            for name in _OPENERS
            if (value := node.attributes.get(name))
        }

    def kind(self, node: LexborNode, *, is_in_text: bool) -> BlockKind | None:
        """`is_in_text` says whether the element stands in a part of the text, such as an article."""
        tag, attributes = node.tag or "", node.attributes
        named = f"{attributes.get('id') or ''} {attributes.get('class') or ''}"
        if tag in {"html", "body", "main"}:
            return None
        if (tag in _NOTHING and not _is_label(node)) or _NO_TEXT.search(named):
            return BlockKind.NOTHING
        if not is_in_text and _CONSENT.search(named) and (_BANNER.search(named) or "dialog" in _role(attributes)):
            return BlockKind.BANNER
        return _by_tag(node, is_in_text=is_in_text, has_main=self._has_main) or self._by_visibility(node)

    def _by_visibility(self, node: LexborNode) -> BlockKind | None:
        attributes, role = node.attributes, _role(node.attributes)
        if role in _CHROME_ROLES:
            return BlockKind.CHROME
        if "hidden" in attributes and (attributes["hidden"] or "").lower() != "until-found":
            opens = attributes.get("id") in self._opened or role == "tabpanel" or _follows_opener(node)
            return BlockKind.LINKS if opens else BlockKind.CHROME
        if (attributes.get("aria-hidden") or "").lower() == "true":
            # It is visible all the same, unless it opens later.
            is_closed = "dialog" in role or _DIALOG.search(attributes.get("class") or "")
            return BlockKind.CHROME if is_closed else BlockKind.LINKS
        return None


def _by_tag(node: LexborNode, *, is_in_text: bool, has_main: bool) -> BlockKind | None:
    match node.tag:
        case "nav" | "object" | "search":
            return BlockKind.CHROME
        case "noscript":
            return BlockKind.SUBSTITUTE
        case "footer" | "aside":
            may_be_text = is_in_text or (node.tag == "aside" and not has_main)
            return BlockKind.LINKS if may_be_text else BlockKind.CHROME
        case "button" if (node.attributes.get("type") or "").lower() in {"submit", "reset"}:
            return BlockKind.CHROME
        case "select" if len(node.css("option")) > _MOST_CHOICES:
            return BlockKind.BANNER
    return None


def _role(attributes: Attributes) -> str:
    return (attributes.get("role") or "").lower()


def _follows_opener(node: LexborNode) -> bool:
    """Returns whether it follows a question, so that it is the answer."""
    before = node.prev
    if before is not None and before.is_text_node and not (before.text_content or "").strip():
        before = before.prev
    return before is not None and before.tag in _QUESTIONS


def _is_label(node: LexborNode) -> bool:
    """Says whether a title is what a picture is called for those who do not see it."""
    parent = node.parent
    return node.tag == "title" and parent is not None and parent.tag == "svg" and _role(parent.attributes) == "img"
