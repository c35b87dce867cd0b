"""What the pages name is there: a file that moved or was renamed is named by its new place."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "protos" / "README.md", *ROOT.glob("docs/*.md")]
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")
FILE = re.compile(r"`((?:services|libs|compose|tests|docs|protos|bench)/[\w./-]+(?:\.\w+|/))`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page):
    links = LINK.findall(page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_is_named_by_its_path_is_there(page):
    named = FILE.findall(page.read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / name).exists() and "NAME" not in name] == []


NAMED = {
    "libs/weft_kit/catalog/providers.py": ("HttpEntry", "ProviderEntry"),
    "services/router/weft_router/providers/http/wire_format.py": ("WireFormat",),
    "services/router/weft_router/providers/provider.py": ("unsupported",),
    "services/router/weft_router/providers/stream_reader.py": ("Answer",),
    "services/router/weft_router/providers/formats.py": ("WIRE_FORMATS",),
    "services/inference/weft_inference/engines/engine.py": ("Engine", "EngineEntry", "Finish", "ModelFiles"),
    "services/inference/weft_inference/engines/registry.py": ("EngineName",),
    "services/inference/weft_inference/engines/config.py": ("EngineConfig",),
    "services/inference/weft_inference/encoders/encoder.py": ("EmbedderEntry", "Encoder", "TextReader"),
    "services/inference/weft_inference/encoders/registry.py": ("EmbedderName",),
    "services/retrieval/weft_retrieval/formats/outline.py": ("Parsed",),
    "services/retrieval/weft_retrieval/formats/draft.py": ("Draft",),
    "services/retrieval/weft_retrieval/formats/encodings.py": ("unreadable",),
    "services/retrieval/weft_retrieval/formats/document_format.py": ("DocumentFormat",),
    "services/retrieval/weft_retrieval/formats/registry.py": ("FORMATS",),
    "libs/weft_kit/document_names.py": ("ContentType",),
    "services/cache/weft_cache/semantic/calibration.py": ("CALIBRATED_FOR",),
}


@pytest.mark.parametrize("file", NAMED)
def test_what_is_to_be_extended_is_defined_where_the_page_says(file):
    page = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    source = (ROOT / file).read_text(encoding="utf-8")
    for name in NAMED[file]:
        assert f"`{name}" in page, f"docs/extending.md does not tell of {name}"
        assert re.search(rf"^(?:class|def) {name}\b|^{name}\b.*=", source, re.MULTILINE), f"{name} is not in {file}"
