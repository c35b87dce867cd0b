"""The reference pages are as the code says, and say what the code has."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from docs.generate.contract import contracts
from docs.generate.pages import PAGES, stale_pages, write_pages
from docs.generate.settings import SERVICES, config_of

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def test_the_pages_are_what_make_docs_would_write():
    assert stale_pages(DOCS) == [], "run `make docs`"


def test_the_check_names_what_drifted_and_what_mends_it_wherever_it_runs(tmp_path):
    """Pages do not depend on the terminal or the environment: only those that were spoiled are named."""
    write_pages(tmp_path)
    (tmp_path / "reference" / "settings.md").write_text("# Settings\n")
    (tmp_path / "reference" / "cli.md").unlink()
    odd = {"COLUMNS": "40", "TERM": "dumb", "LC_ALL": "C", "WEFT_ENDPOINT": "10.0.0.1:1", "WEFT_ROUTER_SLOTS": "3"}
    command = [sys.executable, "-m", "docs.generate", "--check", "--folder", str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **odd}, capture_output=True, text=True, check=False, timeout=110
    )
    assert done.returncode == 1
    mends = "differs from what the code says: run `make docs` and commit it"
    assert done.stderr.splitlines() == [
        f"{tmp_path / name} {mends}" for name in ("reference/settings.md", "reference/cli.md")
    ]


@pytest.mark.parametrize("service", SERVICES)
def test_every_setting_of_a_service_is_on_its_page(service):
    text = (DOCS / "reference" / "settings.md").read_text(encoding="utf-8")
    config = config_of(service)
    own = {name for name in config.variables() if f"`{name}`" in text}
    secrets_files = {name for name in config.variables() if name.endswith("_FILE")}
    shared = {name for name in config.variables() if f"`{name.replace(service.upper(), '<SERVICE>')}`" in text}
    assert config.variables() - own - shared - secrets_files == set()


def test_every_service_message_and_method_of_the_contract_is_on_its_page():
    text = PAGES["reference/api.md"]()
    for contract in contracts():
        assert f"## {contract.file.name.removeprefix('weft/')}\n" in text
        for message in contract.file.message_type:
            assert re.search(rf"^### [a-z]+\.{message.name}$", text, re.MULTILINE), message.name
        for service in contract.file.service:
            assert f"### {service.name}\n" in text
            assert all(f"| `{method.name}` |" in text for method in service.method)


def test_every_link_on_the_api_page_leads_to_a_heading():
    text = PAGES["reference/api.md"]()
    headings = {re.sub(r"[^\w-]", "", line.lstrip("# ").lower()) for line in text.splitlines() if line.startswith("#")}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) - headings == set()


def test_no_page_has_two_headings_of_one_name():
    for page in (PAGES["reference/api.md"](), PAGES["reference/cli.md"]()):
        headings = [line for line in page.splitlines() if line.startswith("#")]
        assert len(headings) == len(set(headings))


def test_every_reason_has_a_meaning_and_somebody_who_gives_it():
    rows = [line for line in PAGES["reference/errors.md"]().splitlines() if line.startswith("| `")]
    assert len(rows) > 40
    assert [row for row in rows if "|  |" in row] == []


def test_the_map_of_the_contract_names_every_file():
    written = (ROOT / "protos" / "README.md").read_text(encoding="utf-8")
    assert [one.file.name for one in contracts() if f"({one.file.name})" not in written] == []
