"""Questions asked again in the background, so that the cache learns whether a served answer was right."""

import hashlib

from prometheus_client import Counter

from weft.job.v1 import event_pb2, job_pb2
from weft_gateway.record.job_query import AUDIT_LABEL, AUDIT_OF

ASKED = Counter("weft_gateway_audits", "Served answers to be asked for again, by what became of that.", ["outcome"])


def second_asking(job_id: str, accepted: event_pb2.Accepted, audit: job_pb2.Audit) -> event_pb2.Accepted:
    """Returns the envelope of the job that repeats `job_id`: at the lowest priority, without the cache, for no caller.

    It is charged to its tenant and key like any job. It expires no later than the original request would have.
    """
    request = job_pb2.GenerationRequest()
    request.CopyFrom(accepted.request)
    request.cache.Clear()
    request.cache.mode = job_pb2.CACHE_MODE_OFF
    request.priority = job_pb2.PRIORITY_LOW
    for field in ("webhook_url", "labels"):
        request.ClearField(field)
    request.labels.update({AUDIT_LABEL: "true", AUDIT_OF: job_id})
    if request.HasField("routing"):
        for field in ("first_of", "draft"):  # one answer is enough
            request.routing.ClearField(field)  # type: ignore[arg-type]
    again = event_pb2.Accepted(
        tenant=accepted.tenant,
        key_id=accepted.key_id,
        request=request,
        request_hash=hashlib.sha256(request.SerializeToString(deterministic=True)).hexdigest(),
        traceparent=accepted.traceparent,
        audit=audit,
    )
    again.expire_time.CopyFrom(accepted.expire_time)
    return again
