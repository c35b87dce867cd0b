"""The providers' keys, from where the catalog says they are."""

from collections.abc import Mapping
from pathlib import Path

from weft_kit.catalog import Catalog, CatalogError, OpenAIProvider


def read_keys(catalog: Catalog, path: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the key of each provider that has one, by the provider's name. `path` is the catalog's, for errors.

    Raises:
        CatalogError: a key is not where it should be; all of them are named.
    """
    keys: dict[str, str] = {}
    problems: list[str] = []
    for name, entry in catalog.providers.items():
        if not isinstance(entry, OpenAIProvider):
            continue
        try:
            key = _read(entry, environ)
        except (OSError, KeyError, UnicodeDecodeError):
            problems.append(f"providers.{name}: {_place(entry)} holds no key; set it, or remove the provider")
            continue
        if key:
            keys[name] = key
    if problems:
        raise CatalogError(path, problems)
    return keys


def _read(entry: OpenAIProvider, environ: Mapping[str, str]) -> str:
    if entry.api_key_env:
        return environ[entry.api_key_env]
    return entry.api_key_file.read_text(encoding="utf-8").strip() if entry.api_key_file else ""


def _place(entry: OpenAIProvider) -> str:
    return f"environment variable {entry.api_key_env}" if entry.api_key_env else f"file {entry.api_key_file}"
