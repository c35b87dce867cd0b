"""The workflow that hosts the stream of one answer, after "Stream LLM output" in Temporal's guide."""

from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.contrib.workflow_streams import WorkflowStream

TASK_QUEUE = "answers"
TOKEN, RETRY = "token", "retry"
_HEARTBEAT_S = 2.0


@dataclass(frozen=True)
class Plan:
    """What the activity publishes."""

    rate: float
    tokens: int


@workflow.defn
class Answer:
    """Hosts the stream and runs the activity that publishes to it."""

    @workflow.init
    def __init__(self, _plan: Plan) -> None:
        self.stream = WorkflowStream()

    @workflow.run
    async def run(self, plan: Plan) -> int:
        produced: int = await workflow.execute_activity(
            "produce_tokens",
            plan,
            start_to_close_timeout=timedelta(minutes=10),
            heartbeat_timeout=timedelta(seconds=_HEARTBEAT_S),
        )
        return produced
