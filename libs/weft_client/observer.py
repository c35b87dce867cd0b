"""Callbacks that tell what a client waits for."""

from weft.job.v1 import event_pb2
from weft_kit.rpc.errors import WeftError


class Observer:
    """Does nothing; override what you want to know. Methods must neither raise nor block."""

    def on_call(self) -> None:
        """A call or a stream begins, or is tried again."""

    def on_failure(self, failure: WeftError) -> None:
        """A try failed. Another one follows if the failure may pass and patience lasts."""

    def on_answer(self, event: event_pb2.JobEvent | None = None) -> None:
        """A call was answered, or a stream brought an event."""
