"""docs/reference/metrics.md: every Prometheus metric, from where it is declared."""

import ast
from collections.abc import Iterator
from itertools import groupby
from typing import Final, NamedTuple

from docs.generate.page import code, page_of, plain, rows_under
from docs.generate.source import product_modules

_LEAD: Final = """Every service shows its metrics at the address in `WEFT_<SERVICE>_METRICS_LISTEN`, under
`/metrics`; empty, the default, shows none. A histogram `NAME` has the series `NAME_bucket`, `NAME_sum` and
`NAME_count`. Names that end in `_seconds` are in seconds."""
_LIBRARY: Final = "prometheus_client"
_KINDS: Final = {"Counter": "counter", "Gauge": "gauge", "Histogram": "histogram", "Summary": "summary"}


class Metric(NamedTuple):
    """One metric as it is declared."""

    package: str
    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


def page() -> str:
    """Returns the page."""
    sections = [
        [f"## {_title(package)}", "", *rows_under(("Metric", "Kind", "Labels", "Meaning"), map(_row, found))]
        for package, found in groupby(sorted(declared(), key=_place), key=lambda one: one.package)
    ]
    return page_of("Metrics", _LEAD, *sections)


def _title(package: str) -> str:
    return "Every service" if package == "weft_kit" else package.removeprefix("weft_")


def declared() -> Iterator[Metric]:
    """Yields the metrics that the product declares."""
    for module in product_modules():
        names = _imported(module.tree)
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and (kind := names.get(_dotted(node.func))):
                name, meaning, *rest = (ast.literal_eval(argument) for argument in node.args)
                exposed = f"{name}_total" if kind == "counter" else name
                yield Metric(module.package, exposed, kind, tuple(rest[0]) if rest else (), meaning)


def _dotted(function: ast.expr) -> str:
    """Returns what is called, as it is written: a name, or an attribute of one."""
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        return f"{function.value.id}.{function.attr}"
    return function.id if isinstance(function, ast.Name) else ""


def _imported(tree: ast.Module) -> dict[str, str]:
    """Returns the kinds of metrics that a module imports, by what it calls them."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == _LIBRARY:
            names |= {one.asname or one.name: _KINDS[one.name] for one in node.names if one.name in _KINDS}
        elif isinstance(node, ast.Import) and any(one.name == _LIBRARY for one in node.names):
            names |= {f"{_LIBRARY}.{name}": kind for name, kind in _KINDS.items()}
    return names


def _place(metric: Metric) -> tuple[bool, str, str]:
    return metric.package != "weft_kit", metric.package, metric.name


def _row(metric: Metric) -> tuple[str, ...]:
    return code(metric.name), metric.kind, ", ".join(map(code, metric.labels)), plain(metric.meaning)
