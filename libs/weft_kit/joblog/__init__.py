"""The job log: every generation is a short run of messages in one stream, and everything else is a reader of it.

log           accept, answer, follow, cancel, erase    writer   fenced events of one attempt
token_writer  the publisher that clocks itself          reader   live and stored, spliced by sequence
lanes         a queue a tenant and priority             batches  batches for recorders and notifiers
settings      the numbers, with units and checks

queue/        takes jobs from the log and runs them: turns, leases, workers
stream/       the stream in JetStream: made, watched, written and read
connection/   to NATS, and what is pulled through it
events/       ids, bytes, sizes, and what the events of a job add up to

Each imports only what stands below it: queue and batches; log; lanes, reader and writers; stream; the rest.
"""

from weft_kit.joblog.batches import Batches, EventBatch
from weft_kit.joblog.connection.connection import connect
from weft_kit.joblog.events.codec import Unreadable
from weft_kit.joblog.events.ids import PRIORITIES, belongs_to, kind_of, lane_of, new_job_id, priority_of, tenant_tag
from weft_kit.joblog.events.projection import envelope_of, project, text_hash
from weft_kit.joblog.events.sizes import (
    END_BYTES,
    MESSAGE_CHARACTERS,
    EventTooLarge,
    beginning,
    bounded,
    pieces,
    write_end,
)
from weft_kit.joblog.lanes import Depth
from weft_kit.joblog.log import AlreadyAccepted, JobLog, Unfinished
from weft_kit.joblog.queue.fair_queue import FairQueue
from weft_kit.joblog.queue.leases import Lease, Leases
from weft_kit.joblog.reader import JobGone
from weft_kit.joblog.settings import LogConfig
from weft_kit.joblog.token_writer import TokenWriter
from weft_kit.joblog.writer import Fenced, Step, Writer

__all__ = [
    "END_BYTES",
    "MESSAGE_CHARACTERS",
    "PRIORITIES",
    "AlreadyAccepted",
    "Batches",
    "Depth",
    "EventBatch",
    "EventTooLarge",
    "FairQueue",
    "Fenced",
    "JobGone",
    "JobLog",
    "Lease",
    "Leases",
    "LogConfig",
    "Step",
    "TokenWriter",
    "Unfinished",
    "Unreadable",
    "Writer",
    "beginning",
    "belongs_to",
    "bounded",
    "connect",
    "envelope_of",
    "kind_of",
    "lane_of",
    "new_job_id",
    "pieces",
    "priority_of",
    "project",
    "tenant_tag",
    "text_hash",
    "write_end",
]
