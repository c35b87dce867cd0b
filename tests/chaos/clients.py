"""The clients: they ask for what was ordered when it is due, insist as real ones do, and remember what they saw."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from itertools import groupby
from types import TracebackType
from typing import Self, TypeVar

import grpc
from tests.chaos.account import Account
from tests.chaos.orders import Order, Way
from tests.chaos.reader import Reader

from weft.common.v1 import error_pb2
from weft.gateway.v1 import gateway_pb2 as pb
from weft.job.v1 import job_pb2
from weft_client.client import TERMINAL, WeftClient
from weft_client.connection import Connection
from weft_kit.rpc.errors import WeftError

T = TypeVar("T")

PATIENCE_S = 90.0
_MAY_PASS = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED})
_CONFLICT = frozenset({"first_request_hash", "request_hash"})


class Clients:
    """One client a tenant, and for readers one connection to each gateway."""

    def __init__(self, gateways: Sequence[str], keys: Mapping[str, str], webhooks: str) -> None:
        self._webhooks = webhooks
        self._weft = {
            tenant: WeftClient(",".join(gateways), key, patience_s=PATIENCE_S) for tenant, key in keys.items()
        }
        self.gateways = {tenant: [Connection(gateway, key) for gateway in gateways] for tenant, key in keys.items()}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for weft in self._weft.values():
            await self._stack.enter_async_context(weft)
        for gateway in (gateway for some in self.gateways.values() for gateway in some):
            await self._stack.enter_async_context(gateway)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def ask(self, orders: Sequence[Order]) -> list[Account]:
        """Carries out all orders, each when it is due, and returns once every client has what it wanted."""
        began = time.monotonic()
        accounts = [Account(order) for order in orders]
        async with asyncio.TaskGroup() as calls:
            for _, together in groupby(accounts, lambda account: account.order.batch or -account.order.number):
                some = list(together)
                await asyncio.sleep(max(0.0, began + some[0].order.at_s - time.monotonic()))
                if some[0].order.batch:
                    calls.create_task(self._batch(some))
                else:
                    calls.create_task(self._one(some[0]))
        return accounts

    async def _batch(self, accounts: Sequence[Account]) -> None:
        weft = self._weft[accounts[0].order.tenant]
        items = [
            pb.SubmitJobRequest(request_id=account.order.request_id, request=account.order.request(self._webhooks))
            for account in accounts
        ]
        for account, outcome in zip(accounts, await weft.submit_many(items), strict=True):
            if isinstance(outcome, WeftError):
                _refused(account, outcome)
            else:
                _submitted(account, outcome)
        await asyncio.gather(*(self._afterwards(account) for account in accounts))

    async def _one(self, account: Account) -> None:
        order = account.order
        async with asyncio.TaskGroup() as calls:
            for copy in range(order.at_once):
                calls.create_task(self._call(account, copy))
            calls.create_task(self._afterwards(account))

    async def _call(self, account: Account, copy: int) -> None:
        match account.order.way:
            case Way.STAY | Way.WANDER | Way.LEAVE:
                await self._read(account, copy)
            case _:
                await self._submit(account)

    async def _submit(self, account: Account) -> None:
        order = account.order
        weft = self._weft[order.tenant]
        request = order.request(self._webhooks)
        job = await _insisted(account, lambda: weft.submit(request, order.request_id))
        if job is not None:
            _submitted(account, job)

    async def _read(self, account: Account, copy: int) -> None:
        order = account.order
        chance = random.Random(f"reader {order.seed} {order.number} {copy}")
        reader = Reader(self.gateways[order.tenant], chance, PATIENCE_S, restless=order.way is Way.WANDER)
        account.readings.append(reader.reading)
        asked = pb.GenerateRequest(request_id=order.request_id, request=order.request(self._webhooks))
        if order.way is Way.LEAVE:
            asked.on_disconnect = pb.ON_DISCONNECT_CANCEL
            await reader.generate_and_leave(asked, chance.randint(1, 8))
        else:
            await reader.generate(asked)
        if reader.job_id:
            account.job_ids.append(reader.job_id)

    async def _afterwards(self, account: Account) -> None:
        """What a client does about a job that it asked for before: once it can know of it, and some time later."""
        order = account.order
        if order.again_after_s is not None:
            await asyncio.sleep(order.again_after_s)
            await self._submit(account)
        if order.other_body_after_s is not None:
            await asyncio.sleep(order.other_body_after_s)
            await self._contradict(account)
        if order.cancel_after_s is not None:
            await asyncio.sleep(order.cancel_after_s)
            await self._cancel(account)

    async def _contradict(self, account: Account) -> None:
        """Sends another body under the id: whichever comes first decides, so the first one is made sure of."""
        order = account.order
        await self._submit(account)
        request = order.request(self._webhooks)
        request.messages[0].parts[0].text += " and more"
        weft = self._weft[order.tenant]
        other = Account(order)
        job = await _insisted(other, lambda: weft.submit(request, order.request_id), conflict=True)
        if job is not None:
            account.surprises.append(f"another body under the same request id was accepted, as {job.job_id}")
        account.surprises += other.surprises
        account.refusals += other.refusals

    async def _cancel(self, account: Account) -> None:
        await self._submit(account)
        if account.job_ids:
            weft, job_id = self._weft[account.order.tenant], account.job_ids[0]
            job = await _insisted(account, lambda: weft.cancel(job_id, "chaos wants it stopped"))
            if job is not None:
                _answered(account, job)


def _answered(account: Account, job: job_pb2.Job) -> None:
    account.job_ids.append(job.job_id)
    if job.state in TERMINAL:
        account.ends.append(job.state)


def _submitted(account: Account, job: job_pb2.Job) -> None:
    account.answered_unix_s.append(time.time())
    _answered(account, job)


def _refused(account: Account, failure: WeftError) -> None:
    told = f"{failure.status.name} {failure.reason_name}: {failure.message}"
    (account.refusals if failure.status in _MAY_PASS else account.surprises).append(told)


async def _insisted(
    account: Account, call: Callable[[], Awaitable[job_pb2.Job]], *, conflict: bool = False
) -> job_pb2.Job | None:
    """Makes a call that may be repeated, again and again while it gets no answer; None when it was refused."""
    give_up = time.monotonic() + PATIENCE_S
    while True:
        try:
            return await call()
        except WeftError as failure:
            if failure.status in _MAY_PASS and time.monotonic() < give_up:
                continue
            if conflict and _is_conflict(failure):
                return None
            _refused(account, failure)
            return None


def _is_conflict(failure: WeftError) -> bool:
    return failure.reason == error_pb2.ERROR_REASON_REQUEST_ID_REUSED and failure.metadata.keys() >= _CONFLICT
