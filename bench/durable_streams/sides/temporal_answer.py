"""The workflow that hosts an answer's stream, after the "Stream LLM output" page of Temporal's guide."""

from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.contrib.workflow_streams import WorkflowStream

TASK_QUEUE = "answers"
TOKEN, RETRY = "token", "retry"
_HEARTBEAT_S = 2.0


@dataclass(frozen=True)
class Plan:
    """What the activity is to say."""

    rate: float
    tokens: int


@workflow.defn
class Answer:
    """Runs the activity that says the tokens; the stream is the workflow's own."""

    @workflow.init
    def __init__(self, _plan: Plan) -> None:
        self.stream = WorkflowStream()

    @workflow.run
    async def run(self, plan: Plan) -> int:
        said: int = await workflow.execute_activity(
            "say",
            plan,
            start_to_close_timeout=timedelta(minutes=10),
            heartbeat_timeout=timedelta(seconds=_HEARTBEAT_S),
        )
        return said
