"""PowerPoint presentations: slides in their order, with all that stands on them and in their notes."""

import io

import pptx
import pytest
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.presentation import Presentation
from pptx.util import Inches
from tests.retrieval.formats.office_files import OTHERS, A, P, package, relations

from weft_kit.rpc.errors import Invalid
from weft_retrieval.formats import ContentType, Parsed, detect, parse

BOX = (Inches(1), Inches(1), Inches(4), Inches(2))


def read(content: bytes) -> Parsed:
    assert detect("deck", content) is ContentType.PPTX
    return parse(content, ContentType.PPTX)


def saved(deck: Presentation) -> Parsed:
    out = io.BytesIO()
    deck.save(out)
    return read(out.getvalue())


def slide(shapes: str, attributes: str = "") -> str:
    return f'<p:sld xmlns:p="{P}" {OTHERS} {attributes}><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>'


def shape(text: str, placeholder: str = "") -> str:
    kind = f'<p:nvPr><p:ph type="{placeholder}"/></p:nvPr>' if placeholder else ""
    return (
        f'<p:sp><p:nvSpPr><p:cNvPr id="1" name="x"/>{kind}</p:nvSpPr><p:txBody><a:p><a:r><a:t>{text}</a:t></a:r></a:p>'
        "</p:txBody></p:sp>"
    )


def deck(*slides: str, order: list[int] | None = None, others: dict[str, str] | None = None) -> bytes:
    related = {f"r{n}": f"slide slides/slide{n}.xml" for n in range(1, len(slides) + 1)}
    listed = "".join(f'<p:sldId id="{255 + n}" r:id="r{n}"/>' for n in order or range(1, len(slides) + 1))
    parts = {f"ppt/slides/slide{n}.xml": content for n, content in enumerate(slides, 1)}
    parts["ppt/_rels/presentation.xml.rels"] = relations(**related)
    content = f'<p:presentation xmlns:p="{P}" {OTHERS}><p:sldIdLst>{listed}</p:sldIdLst></p:presentation>'
    return package("ppt/presentation.xml", content, {**parts, **(others or {})})


def test_a_slide_is_read_with_its_title_bullets_table_group_chart_and_notes():
    """microsoft/markitdown#332 (groups), yfedoseev/office_oxide#149 (charts)."""
    made = pptx.Presentation()
    page = made.slides.add_slide(made.slide_layouts[1])
    page.shapes.title.text = "Harbour fees"
    page.placeholders[1].text = "Nine marks a night\nPaid at noon"
    table = page.shapes.add_table(2, 2, *BOX).table
    for at, text in enumerate(("Vessel", "Fee", "Ketch", "nine marks")):
        table.cell(at // 2, at % 2).text = text
    page.shapes.add_group_shape().shapes.add_group_shape().shapes.add_textbox(*BOX).text_frame.text = "In a group"
    data = CategoryChartData()
    data.categories = ["Ketch", "Sloop"]
    data.add_series("Arrivals", (9, 7))
    page.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *BOX, data)
    page.notes_slide.notes_text_frame.text = "Mention the winter."
    parsed = saved(made)
    assert [line for line in parsed.text.split("\n") if line] == [
        "Slide 1: Harbour fees",
        "Nine marks a night",
        "Paid at noon",
        "Vessel | Fee",
        "Ketch | nine marks",
        "In a group",
        "Arrivals: Ketch 9; Sloop 7",
        "Notes: Mention the winter.",
    ]
    assert [(heading.level, heading.title) for heading in parsed.headings] == [(1, "Slide 1: Harbour fees")]
    assert parsed.title == "Harbour fees"


def test_merged_cells_are_told_once():
    made = pptx.Presentation()
    table = made.slides.add_slide(made.slide_layouts[6]).shapes.add_table(2, 2, *BOX).table
    for at in range(4):
        table.cell(at // 2, at % 2).text = f"cell {at}"
    table.cell(0, 0).merge(table.cell(0, 1))
    assert saved(made).text.count("cell 1") == 1


FORMULA = (
    '<mc:AlternateContent><mc:Choice Requires="a14"><p:sp><p:txBody><a:p><m:oMath><m:r><m:t>E=mc</m:t></m:r>'
    "</m:oMath></a:p></p:txBody></p:sp></mc:Choice><mc:Fallback><p:sp><p:txBody><a:p><a:r><a:t>image</a:t>"
    "</a:r></a:p></p:txBody></p:sp></mc:Fallback></mc:AlternateContent>"
)


def test_slides_come_in_the_order_of_the_presentation():
    """ECMA-376-1, 19.2.1.34: `p:sldIdLst` has the order, names of parts have none."""
    content = deck(slide(shape("third")), slide(shape("first")), slide(shape("second")), order=[2, 3, 1])
    assert read(content).text.split("\n\n")[:-1] == ["Slide 1", "first", "Slide 2", "second", "Slide 3", "third"]


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        # ECMA-376-1, 19.7.10: what stands on every slide
        (shape("7", "sldNum") + shape("Confidential", "ftr") + shape("2024", "dt") + shape("kept", "body"), ["kept"]),
        # a title that is not the first shape
        (shape("below") + shape("Above", "title"), ["below"]),
        # ECMA-376-3: a formula, and the picture of it for those who know none
        (
            FORMULA,
            ["E=mc"],
        ),
        ('<p:pic><p:nvPicPr><p:cNvPr id="2" name="x" descr="A crane"/></p:nvPicPr></p:pic>', ["A crane"]),
        (
            "<p:sp><p:txBody><a:p><a:r><a:t>one</a:t></a:r><a:br/><a:fld><a:t>two</a:t></a:fld></a:p></p:txBody></p:sp>",
            ["one\ntwo"],
        ),
    ],
    ids=["margins", "title", "formula", "picture", "breaks"],
)
def test_what_stands_on_a_slide_is_read(shapes, expected):
    assert read(deck(slide(shapes))).text.split("\n\n")[1:-1] == expected


def test_slides_of_pictures_alone_hold_no_text():
    with pytest.raises(Invalid, match="holds no text"):
        read(deck(slide("<p:pic/>"), slide(shape("2", "sldNum"))))
    assert read(deck(slide("<p:pic/>"), slide(shape("Cranes", "title")))).text.split("\n\n")[:2] == [
        "Slide 1",
        "Slide 2: Cranes",
    ]


def test_a_hidden_slide_is_read_and_told_to_be_one():
    assert read(deck(slide(shape("Spare", "title"), 'show="0"'))).headings[0].title == "Slide 1 (hidden): Spare"


def test_a_diagram_says_what_it_shows():
    """scanny/python-pptx#83 and #448."""
    frame = '<p:graphicFrame><a:graphic><dgm:relIds r:dm="d"/></a:graphic></p:graphicFrame>'
    data = f'<x xmlns:a="{A}"><a:p><a:r><a:t>Ask</a:t></a:r></a:p><a:p><a:r><a:t>Pay</a:t></a:r></a:p></x>'
    others = {
        "ppt/slides/_rels/slide1.xml.rels": relations(d="diagramData ../diagrams/data1.xml"),
        "ppt/diagrams/data1.xml": data,
    }
    assert read(deck(slide(frame + frame), others=others)).text == "Slide 1\n\nAsk\n\nPay\n\n"
