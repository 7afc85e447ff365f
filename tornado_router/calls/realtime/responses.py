"""The responses of one realtime session: each is a call, with an account of its own.

One is admitted when the client asks for it. Where the vendor makes one by itself, as a turn has
ended, that is when the vendor says that it begins. The first takes over what was reserved
when the session was opened, so a session without any response is a call, too, which cost nothing.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tornado_router.accounts.key_lookup import Key
from tornado_router.calls.account import CallAccount, CallAccounts
from tornado_router.calls.client import Envelope
from tornado_router.calls.realtime.meter import ResponseMeter
from tornado_router.endpoints import REALTIME
from tornado_router.endpoints.realtime import BOUND, CONTEXT, read_realtime_usage
from tornado_router.error_codes import Refusal
from tornado_router.provider import Call
from tornado_router.routing.routes import Target
from tornado_router.usage import Usage

MOST_RUNNING = 64
"""Responses of one session that run at the same time; vendors allow fewer."""

Refresh = Callable[[Key], Awaitable[Key | None]]


class SessionResponses:
    """The accounts of one session.

    Args:
        accounts: of the calls.
        first: admitted, and served by the target that was reached.
        refresh: looks a key up again, as it may have been changed or revoked.

    Attributes:
        key: whose session it is, as it is now.
        target: that serves the responses.
        model: as the client calls it.
        bound: that the session sets on the tokens of its responses, as the client wrote it.
        context: tokens of the conversation so far, as far as is known.
    """

    def __init__(self, accounts: CallAccounts, first: CallAccount, refresh: Refresh) -> None:
        target = first.attempts.target
        assert target is not None, "it was reached"
        self.key = first.envelope.key
        self.target: Target = target
        self.model = first.call.model
        self.bound: object = first.call.body.get(BOUND)
        self.context = 0
        self._accounts = accounts
        self._envelope: Envelope = first.envelope
        self._is_logged = first.is_logged
        self._refresh = refresh
        self._ready = deque([first])
        self._wanted = 0
        self._running: dict[str, tuple[CallAccount, ResponseMeter]] = {}

    @property
    def is_idle(self) -> bool:
        """Whether no response runs or is on its way."""
        return not self._running and not self._wanted

    async def check_key(self) -> None:
        """Looks whether the key may still be used.

        Raises:
            ApiError: 401, it was revoked.
        """
        key = await self._refresh(self.key)
        if key is None:
            raise Refusal.revoked_api_key()
        self.key = key

    async def expect(self, raw: bytes, bound: object) -> None:
        """The client asks for a response: it is admitted, or refused before it goes to the vendor.

        Args:
            raw: the event, for the request log.
            bound: on its tokens, as the client wrote it.

        Raises:
            ApiError: 401, 403, 429 or 503.
        """
        if len(self._ready) + len(self._running) >= MOST_RUNNING:
            raise Refusal.overloaded()
        if len(self._ready) <= self._wanted:
            self._ready.append(await self._admitted(raw, bound, self.model, self.target))
        else:
            await self.check_key()
            ready = self._ready[self._wanted].call
            ready.raw, ready.body = raw, {**ready.body, BOUND: bound}
        self._wanted += 1

    def failed(self) -> None:
        """The vendor refused something: perhaps a response, whose place the next one takes."""
        self._wanted = max(0, self._wanted - 1)

    async def begin(self, response: Mapping[str, Any]) -> None:
        """The vendor has begun a response.

        Raises:
            ApiError: 401, 403, 429 or 503; it came unasked, and is refused.
        """
        self._wanted = max(0, self._wanted - 1)
        if self._ready:
            account = self._ready.popleft()
            now = time.monotonic()  # what was admitted ahead begins only now
            account.envelope = account.envelope._replace(started=now)
            account.attempts.waited = 0.0
        else:
            account = await self._admitted(b"", self.bound, self.model, self.target)
        account.attempts.target = self.target
        meter = ResponseMeter(account.call)
        account.begin_stream(meter)
        self._running[str(response.get("id"))] = account, meter

    async def generated(self, response_id: str, size: int) -> bool:
        """The vendor has generated a part of a response.

        Args:
            response_id: of it.
            size: of the part, as bytes of text.

        Returns:
            Whether it is paid for.

        Raises:
            ApiError: 401, the key was revoked.
        """
        found = self._running.get(response_id)
        if found is None:
            return True
        account, meter = found
        meter.generated += size
        if meter.generated > account.room or time.monotonic() >= account.due:
            return await account.spend()
        return True

    async def end(self, response: Mapping[str, Any], raw: str) -> bool:
        """A response is over: it is charged, and recorded.

        Args:
            response: as the vendor has it.
            raw: the event, for the request log.

        Returns:
            Whether all of it is paid for.
        """
        found = self._running.pop(str(response.get("id")), None)
        if found is None:  # it has begun without a word
            await self.begin(response)
            found = self._running.pop(str(response.get("id")))
        account, meter = found
        meter.reported = read_realtime_usage(response.get("usage"))
        usage = meter.usage()
        self.context = usage.total_tokens
        return await _finish(account, usage, raw, _failure_of(response))

    async def transcribed(self, event: Mapping[str, Any], raw: str, target: Target) -> bool:
        """What the client said is written down by another model, which is charged by itself.

        Args:
            event: that says so.
            raw: the same.
            target: the model.

        Returns:
            Whether it is paid for.

        Raises:
            ApiError: 401, 403, 429 or 503.
        """
        usage = read_realtime_usage(event.get("usage"))
        if usage is None:
            return True
        account = await self._admitted(b"", 0, target.model, target, context=0)
        account.attempts.target = target
        return await _finish(account, usage, raw, None)

    async def close(self, reason: BaseException) -> None:
        """The session is over: what runs is charged as far as it came.

        Args:
            reason: for what was not finished.
        """
        for account, _ in self._running.values():
            await account.fail(reason)
        self._running.clear()
        while self._ready:
            account = self._ready.popleft()
            if self._wanted:
                await account.fail(reason)
            else:
                await account.end(Usage())

    async def _admitted(
        self, raw: bytes, bound: object, model: str, target: Target, context: int | None = None
    ) -> CallAccount:
        """An account that is admitted; one that is refused is recorded.

        Raises:
            ApiError: 401, 403, 429 or 503.
        """
        await self.check_key()
        body = {
            "model": model,
            CONTEXT: self.context if context is None else context,
            BOUND: bound,
        }
        call = Call(_new_id(), REALTIME.name, model, body, raw or b"{}", stream=True)
        envelope = self._envelope._replace(key=self.key, started=time.monotonic())
        account = self._accounts.open(call, envelope)
        if self._is_logged:
            account.log(by_route=True)
        try:
            await account.admit([target])
        except BaseException as error:
            await account.fail(error)
            raise
        return account


async def _finish(account: CallAccount, usage: Usage, raw: str, error_code: str | None) -> bool:
    """Charges for a response; returns whether all of it is paid for."""
    if account.is_logged:
        account.copy.add(raw.encode())
    await account.end(usage, error_code=error_code)
    permit = account.permit
    if permit is None or permit.lease is None or permit.cost is None or not permit.key.purses:
        return True
    return permit.cost.billionths <= permit.lease.cost


def _failure_of(response: Mapping[str, Any]) -> str | None:
    """The code of the error that a response failed with, or None."""
    if response.get("status") != "failed":
        return None
    details = response.get("status_details")
    error = details.get("error") if isinstance(details, Mapping) else None
    code = error.get("code") or error.get("type") if isinstance(error, Mapping) else None
    return code if isinstance(code, str) else "failed"


def _new_id() -> str:
    """As the ids of requests."""
    return f"req_{time.time_ns():016x}{random.getrandbits(64):016x}"
