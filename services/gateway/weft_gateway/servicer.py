"""GatewayService on the wire."""

from collections.abc import AsyncIterator

from weft.gateway.v1 import gateway_pb2 as pb
from weft.gateway.v1 import gateway_pb2_grpc as rpc
from weft_gateway.jobs import Jobs
from weft_gateway.listing import read_job_query, write_position
from weft_kit.context import current, current_tenant


class GatewayServicer(rpc.GatewayServiceServicer):
    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    async def SubmitJob(self, request: pb.SubmitJobRequest, _: object) -> pb.SubmitJobResponse:
        return pb.SubmitJobResponse(job=await self._jobs.submit(current(), request.request_id, request.request))

    async def GetJob(self, request: pb.GetJobRequest, _: object) -> pb.GetJobResponse:
        return pb.GetJobResponse(job=await self._jobs.get(current_tenant(), request.job_id))

    async def ListJobs(self, request: pb.ListJobsRequest, _: object) -> pb.ListJobsResponse:
        query = read_job_query(current_tenant(), request)
        jobs, position = await self._jobs.page(query)
        return pb.ListJobsResponse(jobs=jobs, next_page_token=write_position(position, query.filters))

    async def CancelJob(self, request: pb.CancelJobRequest, _: object) -> pb.CancelJobResponse:
        job = await self._jobs.cancel(current_tenant(), request.job_id, request.message)
        return pb.CancelJobResponse(job=job)

    async def StreamJob(self, request: pb.StreamJobRequest, _: object) -> AsyncIterator[pb.StreamJobResponse]:
        async with self._jobs.stream(current_tenant(), request.job_id, request.after_sequence) as events:
            async for event in events:
                yield pb.StreamJobResponse(event=event)

    async def Generate(self, request: pb.GenerateRequest, _: object) -> AsyncIterator[pb.GenerateResponse]:
        async with self._jobs.generate(current(), request.request_id, request.request) as events:
            async for event in events:
                yield pb.GenerateResponse(event=event)
