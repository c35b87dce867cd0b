"""The job log: every generation is a short run of messages in one stream, and everything else is a reader of it.

ids         job ids, lanes and subjects          settings    the numbers, with units and checks
log         accept, answer, follow, cancel, erase     writer      fenced events of one attempt
token_writer   the publisher that clocks itself  reader      live and stored, spliced by sequence
lanes       a queue a tenant and priority        fair_queue  whose turn it is
dispatcher  the next job of each lane, by turns  leases      held while a worker heartbeats
worker      leases at work, side by side         batches     batches for recorders and notifiers
projection  events → the job's record            terminal    ends of jobs that did not succeed
stream      made, widened, never shrunk          monitor     is it there, does it store, and made again
stream_client  fenced writes, leader and direct reads
connection  to NATS, for ever                    frugal_client  nats-py's client, cheaper
peers       workers hand on what a lost one held clock       is it ours
sizes       what one event holds
"""

from weft_kit.joblog.batches import Batches, EventBatch
from weft_kit.joblog.codec import Unreadable
from weft_kit.joblog.connection import connect
from weft_kit.joblog.fair_queue import FairQueue
from weft_kit.joblog.ids import PRIORITIES, belongs_to, kind_of, lane_of, new_job_id, priority_of, tenant_tag
from weft_kit.joblog.lanes import Depth
from weft_kit.joblog.leases import Lease, Leases
from weft_kit.joblog.log import AlreadyAccepted, JobLog, Unfinished
from weft_kit.joblog.projection import envelope_of, project, text_hash
from weft_kit.joblog.reader import JobGone
from weft_kit.joblog.settings import LogConfig
from weft_kit.joblog.sizes import END_BYTES, MESSAGE_CHARACTERS, EventTooLarge, beginning, bounded, pieces, write_end
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
