"""Who is told what a client waits for."""

from weft.job.v1 import event_pb2
from weft_kit.errors import WeftError


class Observer:
    """Does nothing with what it is told; override what you want to know. Methods must not raise, nor take long."""

    def asks(self) -> None:
        """A call or a stream begins, or begins again, and nobody has answered yet."""

    def bears(self, failure: WeftError) -> None:
        """A try came to nothing; another one follows, unless it is none that is borne with, or patience has run out."""

    def hears(self, event: event_pb2.JobEvent | None = None) -> None:
        """Somebody answered: a call, or a stream with an event."""
