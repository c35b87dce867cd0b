"""Deletes everything of a tenant, piece by piece: the operator repeats the call until nothing is left."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import structlog
from google.protobuf.message import DecodeError

from weft.cache.v1 import cache_pb2
from weft.common.v1 import error_pb2
from weft.job.v1 import event_pb2, job_pb2
from weft_gateway.auth.key_cache import KeyCache
from weft_gateway.auth.postgres_keys import KeyStore
from weft_gateway.jobs.deletion import JobDeletion
from weft_gateway.record.postgres_erasure import ErasureStore
from weft_gateway.tenants.collections import TenantCollections
from weft_gateway.tenants.deleted import CANCEL_MESSAGE, Deleted
from weft_gateway.webhooks.postgres_secrets import SecretStore
from weft_kit.joblog import JobGone, JobLog, text_hash
from weft_kit.rpc.context import bound, current, remaining_to_pass_on
from weft_kit.rpc.errors import InvalidFields

_TENANT: Final = re.compile(r"[a-z0-9-]{1,64}")
# One large collection may take this long.
_CALL_S: Final = 115.0
_BATCH: Final = 100
_DAMAGED: Final = event_pb2.Done(
    state=job_pb2.JOB_STATE_CANCELLED,
    text_hash=text_hash(""),
    error=job_pb2.JobError(reason=error_pb2.ERROR_REASON_CANCELLED, message=CANCEL_MESSAGE),
)


class TenantDeletion:
    """Deletes tenants. `fresh_s` is how long a gateway may keep accepting a revoked key.

    Raises DependencyDown when a part of the mesh does not answer; what was done by then stays done.
    """

    def __init__(
        self,
        log: JobLog,
        records: ErasureStore,
        deletion: JobDeletion,
        collections: TenantCollections,
        keys: KeyStore,
        key_cache: KeyCache,
        secrets: SecretStore,
        *,
        fresh_s: float,
    ) -> None:
        self._log = log
        self._records = records
        self._deletion = deletion
        self._collections = collections
        self._keys = keys
        self._key_cache = key_cache
        self._secrets = secrets
        self._fresh_s = fresh_s

    async def delete(self, tenant: str) -> Deleted:
        """Deletes as much as time allows. Raises InvalidFields for a text that cannot be a tenant."""
        if not _TENANT.fullmatch(tenant):
            raise InvalidFields({"tenant": "must be 1-64 of [a-z0-9-]"})
        deleted = Deleted()
        # The services behind know a tenant by the context of the call.
        with bound(replace(current(), tenant=tenant)):
            await self._revoke(tenant, deleted)
            try:
                async with asyncio.timeout(remaining_to_pass_on(_CALL_S)):
                    deleted.is_complete = await self._delete_all(tenant, deleted)
            except TimeoutError:
                pass  # the next call continues
        structlog.get_logger().info(
            "tenant deleted" if deleted.is_complete else "tenant deleted in part",
            tenant=tenant,
            call_id=current().call_id,
            keys=deleted.keys,
            cancelled_jobs=deleted.cancelled_jobs,
            jobs=deleted.jobs,
            collections=deleted.collections,
            answers=deleted.answers,
        )
        return deleted

    async def _revoke(self, tenant: str, deleted: Deleted) -> None:
        for key_id in await self._keys.revoke_all(tenant):
            deleted.keys += 1
            self._key_cache.forget(key_id)

    async def _delete_all(self, tenant: str, deleted: Deleted) -> bool:
        """Returns whether nothing is left."""
        # Checked before: what a key that is still accepted adds later must not be overlooked.
        is_shut = not await self._keys.revoked_within(tenant, self._fresh_s)
        jobs_are_gone = await self._delete_jobs(tenant, deleted)
        collections_are_gone = await self._collections.delete_all(deleted)
        deleted.answers += await self._deletion.forget(cache_pb2.InvalidateRequest())
        if not (is_shut and jobs_are_gone and collections_are_gone):
            return False
        await self._secrets.retire(tenant)
        await self._keys.drop_all(tenant)
        return True

    async def _delete_jobs(self, tenant: str, deleted: Deleted) -> bool:
        """Deletes every finished job and cancels the others; returns whether none is left."""
        none_is_left = True
        batch: list[str] = []
        async for job_id in self._log.jobs(tenant):
            batch.append(job_id)
            if len(batch) == _BATCH:
                none_is_left &= await self._delete_batch(batch, deleted)
                batch = []
        none_is_left &= await self._delete_batch(batch, deleted)
        # The rest is past the log's retention.
        after = None
        while page := await self._records.of_tenant(tenant, after, _BATCH):
            after = page[-1]
            none_is_left &= await self._delete_batch([job_id for _, job_id in page], deleted)
        await self._records.drop_letters_of(tenant)
        return none_is_left

    async def _delete_batch(self, job_ids: Sequence[str], deleted: Deleted) -> bool:
        are_over = await asyncio.gather(*(self._is_over(job_id, deleted) for job_id in job_ids))
        over = [job_id for job_id, is_over in zip(job_ids, are_over, strict=True) if is_over]
        await self._deletion.erase(over)
        deleted.jobs += len(over)
        return all(are_over)

    async def _is_over(self, job_id: str, deleted: Deleted) -> bool:
        """Returns whether no worker runs a job any more; asks a running one to stop."""
        try:
            last = await self._log.last(job_id)
            if last is None or last.HasField("done") or last.HasField("deleted"):
                return True
            if not last.HasField("cancel_requested"):
                deleted.cancelled_jobs += 1
            return (await self._log.request_cancel(job_id, CANCEL_MESSAGE)).HasField("done")
        except JobGone:
            return True
        except DecodeError:
            # Nobody can continue it: its last event cannot be read.
            await self._log.end_unread(job_id, _DAMAGED)
            return True
