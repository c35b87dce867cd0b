"""How long jobs are kept is read by tenant, and mistakes in it are named."""

from pathlib import Path

import pytest
from tests.kit.catalog import catalog_file

from weft_kit.catalog.catalog import Catalog, CatalogError
from weft_kit.catalog.retention import Retention

MODELS = """
[providers.local]
kind = "inference"
target = "127.0.0.1:9"
[models.default]
routes = [{ provider = "local" }]
"""


def load(folder: Path, text: str) -> Catalog:
    return catalog_file.load(folder, MODELS + text)


def test_a_tenant_has_its_own_retention_or_the_default(tmp_path: Path) -> None:
    text = "[default_retention]\ncontents_days = 14\n[retention.acme]\ncontents_days = 0.5\nrecords_days = 90\n"
    catalog = load(tmp_path, text)
    assert catalog.retention_of("acme") == Retention(contents_days=0.5, records_days=90)
    assert catalog.retention_of("other") == Retention(contents_days=14, records_days=365)
    assert load(tmp_path, "").retention_of("acme") == Retention(contents_days=30, records_days=365)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "[retention.acme]\ncontents_days = 400\n",
            "retention.acme: records_days (365) must be at least contents_days (400)",
        ),
        (
            "[default_retention]\ncontents_days = 0\n",
            "default_retention.contents_days: input should be greater than 0; found 0",
        ),
        ("[retention.acme]\ndays = 1\n", "retention.acme.days: is not a setting here"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(CatalogError) as refused:
        load(tmp_path, text)
    assert refused.value.problems == (problem,)
