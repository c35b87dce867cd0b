"""Office packages written by hand: what no library writes, and what only strangers send."""

import io
import zipfile
from collections.abc import Mapping

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
STRICT_W = "http://purl.oclc.org/ooxml/wordprocessingml/main"
S = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
P = "http://schemas.openxmlformats.org/presentationml/2006/main"
A = "http://schemas.openxmlformats.org/drawingml/2006/main"
R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
OTHERS = (
    f'xmlns:r="{R}" xmlns:a="{A}" xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" '
    'xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing" '
    'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape" '
    'xmlns:v="urn:schemas-microsoft-com:vml" '
    'xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart" '
    'xmlns:dgm="http://schemas.openxmlformats.org/drawingml/2006/diagram"'
)
_KIND = "application/vnd.openxmlformats-officedocument.{}.main+xml"
KINDS = {
    "word/document.xml": _KIND.format("wordprocessingml.document"),
    "ppt/presentation.xml": _KIND.format("presentationml.presentation"),
    "xl/workbook.xml": _KIND.format("spreadsheetml.sheet"),
}


def zipped(parts: Mapping[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return out.getvalue()


def relations(**targets: str) -> str:
    """Relationships by id; each target is `type target`."""
    given = (
        f'<Relationship Id="{key}" Type="{R}/{kind}" Target="{target}"/>'
        for key, (kind, target) in ((key, value.split(" ")) for key, value in targets.items())
    )
    return (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        + "".join(given)
        + "</Relationships>"
    )


def package(main: str, content: str, parts: Mapping[str, str | bytes] | None = None, kind: str | None = None) -> bytes:
    types = (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        f'<Override PartName="/{main}" ContentType="{kind or KINDS[main]}"/></Types>'
    )
    return zipped(
        {
            "[Content_Types].xml": types,
            "_rels/.rels": relations(rId1=f"officeDocument {main}"),
            main: content,
            **(parts or {}),
        }
    )


def word(body: str, parts: Mapping[str, str | bytes] | None = None, *, namespace: str = W) -> bytes:
    """A Word document with a body."""
    content = f'<w:document xmlns:w="{namespace}" {OTHERS}><w:body>{body}</w:body></w:document>'
    return package("word/document.xml", content, parts)


def paragraph(text: str, properties: str = "") -> str:
    return f"<w:p><w:pPr>{properties}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"


def part(root: str, content: str) -> str:
    """Another part of a Word document."""
    return f'<w:{root} xmlns:w="{W}" {OTHERS}>{content}</w:{root}>'


def workbook(*sheets: str, styles: str = "", strings: str = "", properties: str = "") -> bytes:
    """A workbook whose sheets have the rows given."""
    names = range(1, len(sheets) + 1)
    listed = "".join(f'<sheet name="Sheet{n}" sheetId="{n}" r:id="s{n}"/>' for n in names)
    related = {f"s{n}": f"worksheet worksheets/sheet{n}.xml" for n in names}
    parts = {
        f"xl/worksheets/sheet{n}.xml": f'<worksheet xmlns="{S}"><dimension ref="A1:XFD1048576"/>'
        f"<sheetData>{rows}</sheetData></worksheet>"
        for n, rows in zip(names, sheets, strict=True)
    }
    if styles:
        parts["xl/styles.xml"] = f'<styleSheet xmlns="{S}">{styles}</styleSheet>'
        related["styles"] = "styles styles.xml"
    if strings:
        parts["xl/sharedStrings.xml"] = f'<sst xmlns="{S}">{strings}</sst>'
        related["strings"] = "sharedStrings sharedStrings.xml"
    parts["xl/_rels/workbook.xml.rels"] = relations(**related)
    content = f'<workbook xmlns="{S}" xmlns:r="{R}">{properties}<sheets>{listed}</sheets></workbook>'
    return package("xl/workbook.xml", content, parts)


def row(number: int, *cells: str) -> str:
    return f'<row r="{number}">{"".join(cells)}</row>'


def inline(reference: str, text: str) -> str:
    return f'<c r="{reference}" t="inlineStr"><is><t>{text}</t></is></c>'
