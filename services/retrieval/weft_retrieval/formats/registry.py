"""The document formats that are read, a line each: see docs/extending.md."""

from typing import Final

from weft_retrieval.formats.delimited import CSV
from weft_retrieval.formats.document_format import DocumentFormats
from weft_retrieval.formats.html.html import HTML
from weft_retrieval.formats.json_text import JSON
from weft_retrieval.formats.markdown import MARKDOWN
from weft_retrieval.formats.office.docx import DOCX
from weft_retrieval.formats.office.pptx import PPTX
from weft_retrieval.formats.office.xlsx import XLSX
from weft_retrieval.formats.pdf import PDF
from weft_retrieval.formats.text import TEXT

FORMATS: Final = DocumentFormats(
    [
        TEXT,
        MARKDOWN,
        HTML,
        PDF,
        DOCX,
        PPTX,
        XLSX,
        CSV,
        JSON,
    ]
)
