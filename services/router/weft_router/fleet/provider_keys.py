"""The providers' keys, from where the catalog says they are."""

from collections.abc import Mapping
from pathlib import Path

from weft_kit.catalog.catalog import Catalog, CatalogError
from weft_kit.catalog.providers import HttpEntry


def read_keys(catalog: Catalog, path: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Returns the key of each provider that has one, by the provider's name. `path` is the catalog's, for errors.

    Raises:
        CatalogError: a key is not where it should be, or no header can carry it; all of them are named.
    """
    keys: dict[str, str] = {}
    problems: list[str] = []
    for name, entry in catalog.providers.items():
        if not isinstance(entry, HttpEntry):
            continue
        try:
            key = _read(entry, environ)
        except (OSError, KeyError, UnicodeDecodeError):
            problems.append(f"providers.{name}: {_place(entry)} holds no key; set it, or remove the provider")
            continue
        if not key.isprintable():
            problems.append(
                f"providers.{name}: {_place(entry)} holds more than a key: remove its other lines and signs"
            )
        elif key:
            keys[name] = key
    if problems:
        raise CatalogError(path, problems)
    return keys


def key_setting(name: str, entry: HttpEntry) -> str:
    """Returns the setting that says where a provider's key is, for the person who has to correct it."""
    if entry.api_key_env:
        return f"providers.{name}.api_key_env: the key in {entry.api_key_env}"
    if entry.api_key_file:
        return f"providers.{name}.api_key_file: the key in {entry.api_key_file}"
    return f"providers.{name}: it has neither api_key_env nor api_key_file"


def _read(entry: HttpEntry, environ: Mapping[str, str]) -> str:
    if entry.api_key_env:
        return environ[entry.api_key_env].strip()
    return entry.api_key_file.read_text(encoding="utf-8").strip() if entry.api_key_file else ""


def _place(entry: HttpEntry) -> str:
    return f"environment variable {entry.api_key_env}" if entry.api_key_env else f"file {entry.api_key_file}"
