"""Parses a document of any supported format into its text and its headings."""

from weft_kit.document_names import ContentType
from weft_retrieval.formats.encodings import unreadable
from weft_retrieval.formats.outline import Heading, Outline, Parsed
from weft_retrieval.formats.registry import FORMATS

__all__ = ["ContentType", "Heading", "Outline", "Parsed", "detect", "parse", "unreadable"]

detect = FORMATS.detect
parse = FORMATS.parse
