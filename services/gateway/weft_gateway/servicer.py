"""GatewayService's RPCs."""

from collections.abc import AsyncIterator
from dataclasses import replace

from google.protobuf.timestamp_pb2 import Timestamp

from weft.common.v1 import error_pb2
from weft.gateway.v1 import gateway_pb2 as pb
from weft.gateway.v1 import gateway_pb2_grpc as rpc
from weft_gateway.jobs.disconnects import read_patience_s
from weft_gateway.jobs.jobs import Jobs
from weft_gateway.pages import Pages
from weft_gateway.record.job_query import read_job_query
from weft_gateway.submission.batch import Outcome
from weft_gateway.submission.budgets import BudgetChecks, BudgetStanding
from weft_gateway.submission.envelope import Submission
from weft_kit.rpc.call import Rpc
from weft_kit.rpc.context import current, current_tenant
from weft_kit.rpc.errors import WeftError
from weft_kit.rpc.interceptor import send_header
from weft_kit.rpc.time import duration, seconds_of
from weft_kit.spending import day_end_s


class GatewayServicer(rpc.GatewayServiceServicer):
    def __init__(self, jobs: Jobs, budgets: BudgetChecks, pages: Pages) -> None:
        self._jobs = jobs
        self._budgets = budgets
        self._pages = pages

    async def SubmitJob(self, request: pb.SubmitJobRequest, _: object) -> pb.SubmitJobResponse:
        return pb.SubmitJobResponse(job=await self._jobs.submit(current(), _order(request)))

    async def SubmitJobs(self, request: pb.SubmitJobsRequest, _: object) -> pb.SubmitJobsResponse:
        outcomes = await self._jobs.submit_all(current(), [_order(each) for each in request.requests])
        return pb.SubmitJobsResponse(results=map(_result, outcomes))

    async def GetJob(self, request: pb.GetJobRequest, _: object) -> pb.GetJobResponse:
        job = await self._jobs.get(current_tenant(), request.job_id, seconds_of(request.wait))
        return pb.GetJobResponse(job=job)

    async def ListJobs(self, request: pb.ListJobsRequest, _: object) -> pb.ListJobsResponse:
        query = read_job_query(current_tenant(), request)
        before = await self._pages.read(request.page_token, *query.scope)
        jobs, position = await self._jobs.page(replace(query, before=before))
        token = await self._pages.write(position, *query.scope)
        return pb.ListJobsResponse(jobs=jobs, next_page_token=token)

    async def CancelJob(self, request: pb.CancelJobRequest, _: object) -> pb.CancelJobResponse:
        job = await self._jobs.cancel(current_tenant(), request.job_id, request.message)
        return pb.CancelJobResponse(job=job)

    async def DeleteJob(self, request: pb.DeleteJobRequest, _: object) -> pb.DeleteJobResponse:
        await self._jobs.delete(current_tenant(), request.job_id)
        return pb.DeleteJobResponse()

    async def StreamJob(self, request: pb.StreamJobRequest, call: Rpc) -> AsyncIterator[pb.StreamJobResponse]:
        async with self._jobs.stream(current_tenant(), request.job_id, request.after_sequence) as events:
            await send_header(call)
            async for event in events:
                yield pb.StreamJobResponse(event=event)

    async def Generate(self, request: pb.GenerateRequest, _: object) -> AsyncIterator[pb.GenerateResponse]:
        async with self._jobs.generate(current(), _order(request), read_patience_s(request)) as events:
            async for event in events:
                yield pb.GenerateResponse(event=event)

    async def GetUsage(self, _request: pb.GetUsageRequest, _: object) -> pb.GetUsageResponse:
        tenants, keys = await self._budgets.standings(current())
        day_end = Timestamp(seconds=day_end_s(tenants.spent.now_s))
        return pb.GetUsageResponse(
            tenant=_spending(tenants), key=_spending(keys), currency=self._budgets.currency, day_end=day_end
        )


def _order(request: pb.SubmitJobRequest | pb.GenerateRequest) -> Submission:
    return Submission(request.request_id, request.request, request.expire_with_call)


def _result(outcome: Outcome) -> pb.SubmitJobsResult:
    if isinstance(outcome, WeftError):
        return pb.SubmitJobsResult(error=_item_error(outcome))
    return pb.SubmitJobsResult(job=outcome)


def _spending(standing: BudgetStanding) -> pb.Spending:
    spent = standing.spent
    return pb.Spending(
        tokens_last_minute=spent.tokens_last_minute,
        micros_today=spent.micros_today,
        micros_held=spent.micros_held,
        budget=standing.budget,
    )


def _item_error(error: WeftError) -> error_pb2.ItemError:
    item = error_pb2.ItemError(
        code=error.status.value[0],
        reason=error.reason,
        message=error.message,
        metadata=error.metadata,
        violations=error.violations,
    )
    if error.retry_after_s is not None:
        item.retry_after.CopyFrom(duration(error.retry_after_s))
    return item
