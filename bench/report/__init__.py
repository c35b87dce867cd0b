"""How figures are shown: samples with their range, Markdown, the head of a report, and its aims."""
