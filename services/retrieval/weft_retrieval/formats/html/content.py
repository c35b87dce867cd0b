"""Where a page's own text is. Chrome is left out only if some text remains."""

from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode

from weft_retrieval.formats.html.chrome import BlockKind, Judge
from weft_retrieval.formats.html.walk import walk

_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_TEXT_PARTS = frozenset({"article", "blockquote", "details", "figure", "main", "section", "td"})
# Beside headings this is no text, when so many times more would be left out.
_LITTLE, _TIMES_MORE = 12, 2
# What would be left out is the text when it is this long, and so many times longer than the rest.
_LONG, _TIMES_LONGER = 200, 3
_LONG_SUBSTITUTE = 120


@dataclass(frozen=True, slots=True)
class Content:
    """The elements that hold a page's text, and those inside them, by `mem_id`, that do not belong to it."""

    roots: tuple[LexborNode, ...]
    left_out: frozenset[int]


def content_of(tree: LexborHTMLParser) -> Content:
    """Returns where a page's text is; the less text there is, the less is left out."""
    survey = _Survey(tree)
    for left_out in (
        {BlockKind.NOTHING, BlockKind.BANNER, BlockKind.CHROME},
        {BlockKind.NOTHING, BlockKind.BANNER},
        {BlockKind.NOTHING},
    ):
        survey.count(left_out)
        if survey.has_text():
            break
    return Content(survey.roots(), frozenset(survey.left_out))


@dataclass(slots=True)
class _Letters:
    """How many characters are no white space, and how many of them are in links and in headings."""

    all: int = 0
    linked: int = 0
    headed: int = 0

    @property
    def prose(self) -> int:
        return self.all - self.linked

    def add(self, other: "_Letters") -> None:
        self.all += other.all
        self.linked += other.linked
        self.headed += other.headed


@dataclass(slots=True)
class _Element:
    """An element, while the walk is inside of it, and after."""

    node: LexborNode | None = None
    kind: BlockKind | None = None
    is_in_text: bool = False
    parts_before: int = 0
    letters: _Letters = field(default_factory=_Letters)
    title: LexborNode | None = None
    """The first `h1` inside, or the header that it stands in."""
    holds_part: bool = False

    @property
    def is_main(self) -> bool:
        return self.node is not None and (self.node.tag == "main" or self.node.attributes.get("role") == "main")

    def decided(self) -> BlockKind | None:
        """Returns what it is, now that all of it has been seen."""
        if self.kind is BlockKind.LINKS:
            return BlockKind.CHROME if 2 * self.letters.linked > self.letters.all else None
        if self.kind is BlockKind.SUBSTITUTE:
            return BlockKind.CHROME if self.letters.prose >= _LONG_SUBSTITUTE else BlockKind.NOTHING
        # What holds the article is no banner, whatever it is called.
        return None if self.kind is BlockKind.BANNER and self.holds_part else self.kind


def _is_link(node: LexborNode) -> bool:
    """Returns whether an anchor is a link: one without a target is not, and is often left open."""
    return node.tag == "a" and "href" in node.attributes


def _is_header(element: _Element) -> bool:
    """Says whether what stands beside a title belongs to it, and is no menu."""
    is_one = element.node is not None and element.node.tag in {"header", "hgroup"}
    return is_one and 2 * element.letters.linked <= element.letters.all


class _Survey:
    """Counts what is where, in a few walks through the page."""

    def __init__(self, tree: LexborHTMLParser) -> None:
        self._tree = tree
        self._judge = Judge(tree)

    def count(self, left_out: set[BlockKind]) -> None:
        """Counts the page less what is left out; chrome that is much longer than everything else is kept."""
        self._kept_all_the_same: frozenset[int] = frozenset()
        self._count(left_out)
        self._kept_all_the_same = frozenset(
            place
            for place, letters in self._chrome.items()
            if letters.prose >= _LONG and letters.prose > _TIMES_LONGER * self._page.letters.prose
        )
        if self._kept_all_the_same:
            self._count(left_out)

    def has_text(self) -> bool:
        """Says whether there is a text beside headings, or little enough that was left out."""
        kept = self._page.letters
        text, left_out = kept.all - kept.headed, sum(letters.all for letters in self._chrome.values())
        if text >= _LITTLE or any(part.letters.all > part.letters.headed for part in self._parts):
            return True
        return kept.all > 0 and left_out <= _TIMES_MORE * text

    def roots(self) -> tuple[LexborNode, ...]:
        """Returns the `main` elements or the only `article`, if most of the text is there, otherwise the whole page."""
        parts = [part for part in self._parts if part.is_main] or (self._parts if len(self._parts) == 1 else [])
        inside = _Letters()
        for part in parts:
            inside.add(part.letters)
        if not inside.all or inside.all < self._page.letters.prose - inside.prose:
            return (self._tree.root,) if self._tree.root else ()
        title = self._page.title or self._left_out_title
        roots = tuple(part.node for part in parts if part.node)
        return roots if title is None or any(part.title for part in parts) else (title, *roots)

    def _count(self, left_out: set[BlockKind]) -> None:
        self.left_out: set[int] = set()
        self._chrome: dict[int, _Letters] = {}
        self._parts: list[_Element] = []
        self._left_out_title: LexborNode | None = None
        self._links = self._headings = 0
        self._page = _Element()
        self._open = [self._page]
        for node, begins in walk(self._tree.root) if self._tree.root else ():
            if node.is_text_node:
                many = sum(map(len, (node.text_content or "").split()))
                self._open[-1].letters.add(_Letters(many, many * bool(self._links), many * bool(self._headings)))
            elif node.is_element_node:
                self._begin(node) if begins else self._end(node, left_out)

    def _begin(self, node: LexborNode) -> None:
        is_in_text = self._open[-1].is_in_text
        kind = self._judge.kind(node, is_in_text=is_in_text)
        element = _Element(node, kind, is_in_text or node.tag in _TEXT_PARTS, len(self._parts))
        if node.tag == "iframe":
            element.letters.all = len(node.attributes.get("srcdoc") or "")
        self._links += _is_link(node)
        self._headings += node.tag in _HEADINGS
        self._open.append(element)

    def _end(self, node: LexborNode, left_out: set[BlockKind]) -> None:
        element = self._open.pop()
        self._links -= _is_link(node)
        self._headings -= node.tag in _HEADINGS
        if node.tag == "h1" and element.letters.all:
            element.title = node
        kind = element.decided()
        if kind in left_out and node.mem_id not in self._kept_all_the_same:
            self.left_out.add(node.mem_id)
            del self._parts[element.parts_before :]
            if kind is not BlockKind.NOTHING:
                self._left_out_title = self._left_out_title or element.title
            if kind is BlockKind.CHROME:
                self._chrome[node.mem_id] = element.letters
            return
        if element.title and _is_header(element):
            element.title = node
        is_part = element.is_main or node.tag == "article"
        if is_part:
            # The outermost counts.
            self._parts[element.parts_before :] = [element]
        above = self._open[-1]
        above.letters.add(element.letters)
        above.title = above.title or element.title
        above.holds_part |= element.holds_part or is_part or element.title is not None
