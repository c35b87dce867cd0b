"""Callbacks that report what a client is waiting for."""

from weft.job.v1 import event_pb2
from weft_kit.rpc.errors import WeftError


class Observer:
    """Does nothing; override the methods you need. They must neither raise nor block."""

    def on_call(self) -> None:
        """Runs when a call or a stream begins, or is retried."""

    def on_failure(self, failure: WeftError) -> None:
        """Runs when an attempt failed. Another one follows if the failure is temporary and patience lasts."""

    def on_answer(self, event: event_pb2.JobEvent | None = None) -> None:
        """Runs when a call was answered, or a stream brought an event."""
