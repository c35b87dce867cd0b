"""The file with an engine's own arguments: the table `[engine.NAME]` is for the engine of that name."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from weft_inference.engines.registry import EngineName, engine_entry
from weft_kit import toml_file
from weft_kit.toml_file import TomlFileError

ENGINE_FILE: Final = "WEFT_INFERENCE_ENGINE_FILE"


@dataclass(frozen=True, slots=True)
class EngineTable:
    """An engine's table, and where it was read, to report mistakes in it; without a file it is empty."""

    place: str
    values: Mapping[str, Any]
    path: Path = Path()
    text: str = ""

    def error(self, problems: list[str]) -> TomlFileError:
        """Returns the error that tells these problems, each with its line."""
        return TomlFileError(self.path, problems, self.text)


def engine_table(path: Path | None, engine: EngineName) -> EngineTable:
    """Returns the engine's table of the file.

    Raises:
        TomlFileError: the file cannot be read, is not TOML, or has a table that no engine takes.
    """
    place = f"engine.{engine}"
    if path is None:
        return EngineTable(place, {})
    text = toml_file.read_text(path, f"name another in {ENGINE_FILE}, or unset it: an engine needs none")
    tables = toml_file.parse(text, path)
    if problems := list(_misplaced(tables)):
        raise TomlFileError(path, problems, text)
    return EngineTable(place, tables.get("engine", {}).get(engine, {}), path, text)


def _misplaced(tables: Mapping[str, Any]) -> Iterator[str]:
    """Yields a line for everything in the file that is not the table of an engine that takes one."""
    known = [name.value for name in EngineName if engine_entry(name).takes_table]
    expected = f"expected {' or '.join(f'[engine.{name}]' for name in known)}"
    for name in tables.keys() - {"engine"}:
        yield f"{name}: is not a setting here; {expected}"
    engines = tables.get("engine", {})
    if not isinstance(engines, dict):
        yield f"engine: input should be a table; {expected}"
        return
    for name, table in engines.items():
        if name not in known:
            yield f"engine.{name}: no engine takes this table; {expected}"
        elif not isinstance(table, dict):
            yield f"engine.{name}: input should be a table; found {table!r}"
