"""Catalogs as files: good ones, what is read from a text, and the problems that it is refused with."""

from pathlib import Path

import pytest

from weft_kit.catalog.catalog import Catalog, CatalogError, load_catalog

GOOD = """
[providers.local]
kind = "inference"
target = "${ENGINE:-127.0.0.1:7604}"

[providers.openai]
kind = "openai"
base_url = "${OPENAI_URL}/v1"
api_key_env = "OPENAI_API_KEY"

[models.default]
routes = [{ provider = "local" }, { provider = "openai", model = "gpt-4o-mini" }]
timeouts = { first_token_s = 2 }

[models.strong]
routes = [{ provider = "openai", model = "gpt-4o" }]
"""


def load(tmp_path: Path, text: str, **environ: str) -> Catalog:
    path = tmp_path / "weft.toml"
    path.write_text(text, encoding="utf-8")
    return load_catalog(path, environ)


def problems(tmp_path: Path, text: str, **environ: str) -> list[str]:
    with pytest.raises(CatalogError) as refusal:
        load(tmp_path, text, **environ)
    return list(refusal.value.problems)


CACHED = """
[providers.local]
kind = "inference"
target = "127.0.0.1:1"

[models.silent]
routes = [{ provider = "local" }]

[models.chosen]
routes = [{ provider = "local" }]
cache = "semantic"
last_resort = {}
"""


ROUTED = """
[providers.local]
kind = "inference"
target = "127.0.0.1:7604"
region = "eu"
max_concurrency = 8

[models.main]
routes = [{ provider = "local", weight = 2 }]
selection = "weighted"
fallbacks = ["spare"]
hedge = { after_s = 0.3 }
escalate = { to = "strong", refusals = ["^I cannot"] }

[models.spare]
routes = [{ provider = "local" }]
fallbacks = ["last"]

[models.strong]
routes = [{ provider = "local" }]

[models.last]
routes = [{ provider = "local" }]
"""
