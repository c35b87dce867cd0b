"""What a durable, streamed job costs."""

from bench.sections.cost.section import measure as measure
