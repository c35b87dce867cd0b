"""What a document format defines, and the set of those that are read: detection, refusals, and the call of a reader."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from weft_kit.document_names import ContentType, is_plain, kind_by_name
from weft_retrieval.formats.byte_order_mark import declared_encoding
from weft_retrieval.formats.encodings import unreadable
from weft_retrieval.formats.outline import Parsed
from weft_retrieval.formats.signatures import Mismatch, instead_of_text
from weft_retrieval.formats.unmarked import unmarked_encoding

_HEAD = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentFormat:
    """A format that is read: its file defines one, and `registry.py` lists it."""

    content_type: ContentType
    description: str
    """What refusals call such a document: "a PDF"."""
    read: Callable[[bytes], Parsed]
    begins: re.Pattern[bytes] | None = None
    """Matches the first bytes of such a document, in UTF-8; None where they say nothing."""
    overrides_plain_name: bool = False
    """Whether `begins` counts more than a name of code, settings or markup: such a document is often sent under one, as
    a page is as index.php."""
    declared_kind: Callable[[bytes], str] | None = None
    """Returns the content type that a container names itself, whatever it is called; "" for none. Formats in the same
    container share the function, which is called once."""
    instead: "Callable[[bytes, DocumentFormats], Mismatch | None] | None" = None
    """Returns what the bytes are if they are clearly not of this format; None for what is not text."""


class DocumentFormats:
    """The formats that are read, by their content types."""

    def __init__(self, formats: Iterable[DocumentFormat]) -> None:
        """Takes the formats; one of them reads TEXT, which any document is that begins like no other."""
        self._formats: dict[str, DocumentFormat] = {one.content_type: one for one in formats}
        kinds = dict.fromkeys(one.declared_kind for one in self)
        self._declared_kinds = [declared_kind for declared_kind in kinds if declared_kind]

    def __iter__(self) -> Iterator[DocumentFormat]:
        return iter(self._formats.values())

    def __getitem__(self, kind: ContentType) -> DocumentFormat:
        return self._formats[kind]

    def named(self, kind: str) -> DocumentFormat | None:
        """Returns the format of a content type by name; None when it is not read."""
        return self._formats.get(kind)

    def detect(self, name: str, content: bytes) -> ContentType:
        """Guesses from the name (`source_uri` or `document_id`), then from the first bytes; TEXT when in doubt."""
        for declared_kind in self._declared_kinds:
            if declared := self.named(declared_kind(content)):
                return declared.content_type
        path = name.partition("?")[0].partition("#")[0]
        by_name, by_content = kind_by_name(path), self.by_content(content)
        if by_name is None or (is_plain(path) and by_content.overrides_plain_name):
            return by_content.content_type
        return by_name

    def by_content(self, content: bytes) -> DocumentFormat:
        """Guesses from the first bytes alone; TEXT when in doubt."""
        encoding = declared_encoding(content) or unmarked_encoding(content)
        head = content[:_HEAD].decode(encoding, "replace").encode() if encoding else content[:_HEAD]
        return next((one for one in self if one.begins and one.begins.match(head)), self[ContentType.TEXT])

    def parse(self, content: bytes, kind: ContentType) -> Parsed:
        """Reads `content` as the declared format; raises Invalid(UNREADABLE_DOCUMENT) if it is not that, or contains no
        text.
        """
        declared = self[kind]
        # What is in doubt passes: the reader of its format sees to it.
        if found := declared.instead(content, self) if declared.instead else instead_of_text(content):
            raise unreadable(f"the document looks like {found.looks_like}, not {declared.description}; {found.step}")
        parsed = declared.read(content)
        if not parsed.text.strip():
            raise unreadable("the document holds no text; leave it out, or send one that has some")
        return parsed
