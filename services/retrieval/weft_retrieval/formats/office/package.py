"""Office packages (Open Packaging Conventions, ECMA-376-2): the main part, and the related parts."""

from posixpath import join, normpath, split
from typing import NamedTuple

from weft_retrieval.formats.archive import Archive, damaged
from weft_retrieval.formats.office.xml_events import elements

# By what a main part's content type holds, and by the folder that it lies in where no type is given.
_KINDS = (
    ("sheet.binary", "xlsb"),
    ("wordprocessingml", "docx"),
    ("ms-word", "docx"),
    ("presentationml", "pptx"),
    ("ms-powerpoint", "pptx"),
    ("spreadsheetml", "xlsx"),
    ("ms-excel", "xlsx"),
)
_FOLDERS = {"word": "docx", "ppt": "pptx", "xl": "xlsx"}
_MAIN_PARTS = ("word/document.xml", "ppt/presentation.xml", "xl/workbook.xml")


class Relation(NamedTuple):
    """What a part is related to: the last word of the relationship's type, and the other part's name."""

    type: str
    target: str


class Package:
    """A package with its main part; raises Invalid(UNREADABLE_DOCUMENT) when the archive cannot be read."""

    def __init__(self, content: bytes) -> None:
        self.archive = Archive(content)
        self.main = self._main()
        self.kind = self._kind()
        """What the package is: docx, pptx, xlsx or xlsb; "" when none of them."""

    def read(self, part: str) -> bytes:
        """Returns a part that must be there."""
        if part not in self.archive:
            raise damaged(f"the document's part {part[-60:]!r} is missing")
        return self.archive.read(part)

    def related(self, part: str) -> dict[str, Relation]:
        """Returns the parts that a part is related to, by the ids that it names them by."""
        folder, name = split(part)
        rels = join(folder, "_rels", f"{name}.rels")
        return {
            given["Id"]: Relation(given.get("Type", "").rpartition("/")[2], _resolved(folder, given.get("Target", "")))
            for tag, given in elements(self.archive.read(rels), rels)
            if tag == "rel:Relationship" and "Id" in given and given.get("TargetMode") != "External"
        }

    def _main(self) -> str:
        found = (to.target for to in self.related("").values() if to.type == "officeDocument" and to.target)
        named = (part for part in _MAIN_PARTS if part in self.archive)
        return next(found, None) or next(named, "")

    def _kind(self) -> str:
        kinds = elements(self.archive.read("[Content_Types].xml"), "[Content_Types].xml")
        given = {
            attributes.get("PartName", "").lstrip("/").lower(): attributes.get("ContentType", "")
            for tag, attributes in kinds
            if tag == "ct:Override"
        }
        of_main = given.get(self.main.lower(), "")
        by_type = next((kind for key, kind in _KINDS if key in of_main), None)
        return by_type or _FOLDERS.get(self.main.partition("/")[0].lower(), "")


def _resolved(folder: str, target: str) -> str:
    """Returns the name of a part that is given relative to another's folder, or from the root."""
    name = target.partition("#")[0].replace("\\", "/")
    return normpath(join("/", folder, name)).lstrip("/")
