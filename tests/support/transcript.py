"""What a reader of a job's events holds in the end."""

from collections.abc import Iterable

from weft.job.v1 import event_pb2


def text_of(events: Iterable[event_pb2.JobEvent]) -> str:
    """Returns the text that a reader assembles."""
    deltas: list[event_pb2.JobEvent] = []
    for event in events:
        if event.HasField("delta"):
            deltas.append(event)
        if event.HasField("rewound"):
            deltas = [delta for delta in deltas if delta.sequence <= event.rewound.to_sequence]
    return "".join(delta.delta.text for delta in deltas)
