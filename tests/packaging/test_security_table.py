"""Every test that docs/security.md names is there: a threat whose test was renamed or lost is no longer stopped."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\|.*\|.*\|(?P<tests>.*)\|$", re.MULTILINE)
NAMED = re.compile(r"`(?P<file>(?:[a-z_]+/)+test_[a-z0-9_]+)(?:::(?P<test>test_[a-z0-9_]+))?`")


def test_every_threat_names_a_test_that_exists() -> None:
    rows = [row["tests"] for row in ROW.finditer((ROOT / "docs" / "security.md").read_text(encoding="utf-8"))]
    threats = [row for row in rows if row.strip() not in {"Test", "---"}]
    assert len(threats) > 40
    for row in threats:
        named = list(NAMED.finditer(row))
        assert named, row
        for one in named:
            source = (ROOT / "tests" / f"{one['file']}.py").read_text(encoding="utf-8")
            assert one["test"] is None or f"def {one['test']}(" in source, one.group()
