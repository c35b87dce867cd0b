"""Catalogs in which one provider is asked beside another, and who of them came to what."""

from collections.abc import Iterable

from weft.job.v1 import event_pb2, job_pb2

SUCCEEDED, FAILED = job_pb2.Attempt.RESULT_SUCCEEDED, job_pb2.Attempt.RESULT_FAILED
LOST, REPLACED = job_pb2.Attempt.RESULT_LOST_RACE, job_pb2.Attempt.RESULT_REPLACED
SOON_S = 0.25

BOTH = """
[models.default]
routes = [{ provider = "mock", model = "m" }, { provider = "second", model = "m" }]
"""
HEDGED = f"{BOTH}hedge = {{ after_s = 0.05, floor = 100 }}\n"
AT_ONCE = f"{BOTH}first_of = 2\n"
DRAFTED = """
[models.default]
routes = [{ provider = "second", model = "large" }]
draft = "small"

[models.small]
routes = [{ provider = "mock", model = "small" }]
"""
ESCALATING = """
[models.default]
routes = [{ provider = "mock", model = "small" }]
escalate = { to = "large", shorter_than = 10, refusals = ["^I cannot"] }

[models.large]
routes = [{ provider = "second", model = "large" }]
"""


def results(done: event_pb2.Done) -> list[tuple[str, job_pb2.Attempt.Result.ValueType]]:
    return [(attempt.provider, attempt.result) for attempt in done.attempts]


def starts(events: Iterable[event_pb2.JobEvent]) -> list[str]:
    return [event.started.provider for event in events if event.HasField("started")]
