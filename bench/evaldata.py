"""The evaluation data: public sets in a folder that the user names, read by the loaders in that folder.

No set is in the repository. The folder's `loaders.py` has a function without arguments for each set:

- `qqp()`: Quora's pairs, `gptcache_mock()`: GPTCache's benchmark; each row has `first`, `second` and `same`.
- `banking77()`: rows with `text`, `intent` and `split` ("train" or "test").
- `scifact()`, `cacm()`: a collection with `corpus` (id to `title` and `text`), `queries` (id to text) and `qrels`
  (query id to document id to grade).
"""

import argparse
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

_READER = "loaders.py"


def add_option(parser: argparse.ArgumentParser) -> None:
    """Adds the option for the folder, whose value `data` is for `folder`."""
    parser.add_argument("--data", default="", help="folder of the evaluation data (default: WEFT_EVALDATA)")


def folder(given: str) -> Path:
    """Returns the folder: as given, else WEFT_EVALDATA, else one next to the checkout; exits if it does not exist."""
    found = Path(given or os.environ.get("WEFT_EVALDATA") or "../shared/evaldata")
    if not (found / _READER).is_file():
        sys.exit(
            f"no evaluation data at {found}: name its folder with --data (make: DATA=folder) or WEFT_EVALDATA;"
            f" bench/evaldata.py says what {_READER} in it holds"
        )
    return found


def add_sets_option(parser: argparse.ArgumentParser) -> None:
    """Adds the option for the folder of further sets, whose value `sets` is for `sets_folder`."""
    parser.add_argument("--sets", default="", help="folder of further sets (default: WEFT_EVALSETS, else none)")


def sets_folder(given: str) -> Path | None:
    """Returns the folder of further sets: as given, else WEFT_EVALSETS; None if neither names one.

    Exits if the folder does not exist.
    """
    named = given or os.environ.get("WEFT_EVALSETS")
    if not named:
        return None
    if not Path(named).is_dir():
        sys.exit(f"no folder {named}: name the one of further sets with --sets or WEFT_EVALSETS, or leave both out")
    return Path(named)


def loaders(found: Path) -> ModuleType:
    """Returns the folder's own loaders, imported: only they know the files."""
    spec = importlib.util.spec_from_file_location("evaldata_loaders", found / _READER)
    if spec is None or spec.loader is None:
        sys.exit(f"cannot read {found / _READER}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up by module name
    spec.loader.exec_module(module)
    return module
