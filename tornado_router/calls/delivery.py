"""Delivers the response of a call: whole, from the cache, or as a stream. All have one tail.

A stream is a pipe: what lies between provider and client are plain functions over a batch of
chunks. Only the pump at its end waits: for the provider, and for the client, whose pace becomes the
provider's. While the pump waits for the provider, what passes unread goes past it, in one call from
the vendor's connection to the client's.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from functools import partial

from loguru import logger

from tornado_router.calls.account import CallAccount
from tornado_router.calls.attempt import Attempt
from tornado_router.calls.client import NO_HEADERS, Client, ClientLeftError
from tornado_router.calls.costs import Costs
from tornado_router.calls.later_body import let_go
from tornado_router.calls.response_cache import CachedResponse, CacheEntry
from tornado_router.endpoints import ENDPOINTS, Encoded, StreamEncoder
from tornado_router.endpoints.base import END_SECONDS, EVENT_STREAM
from tornado_router.error_codes import Refusal
from tornado_router.errors import ApiError, ProviderError
from tornado_router.provider import Body, Passed
from tornado_router.usage import Usage

JSON = "application/json"


class Delivery:
    """The response of one call, on its way to the client.

    Args:
        account: of the call.
        client: takes the response.
        entry: its place in the response cache, or None.
        costs: knows what the call costs.
    """

    def __init__(
        self, account: CallAccount, client: Client, entry: CacheEntry | None, costs: Costs
    ) -> None:
        self._account = account
        self._client = client
        self._entry = entry
        self._costs = costs
        self._begun = False
        self._ended = False
        self._is_whole = False  # the client has all that it asked for, if not the end

    async def whole(
        self, encode: Callable[[], Encoded], keep: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Delivers a whole response: a stream that has an end and nothing before it.

        Args:
            encode: makes the client's bytes of what the provider returned.
            keep: keeps the response before its client has it, if it is kept.

        Raises:
            ApiError: it returned no response.
            ClientLeftError: the client has left.
        """
        try:
            response = encode()
        except ProviderError:
            self._log_unreadable()
            raise
        del encode  # it holds what was parsed, which takes a multiple of the bytes
        if response.drawn is not None:
            self._costs.images_are(response.drawn)
        cost = self._costs.headers(response.usage)
        self._begin(response.content_type, stream=False, more=cost)
        await self._finish(response.data, response.usage, keep=keep)

    async def again(self, response: CachedResponse) -> None:
        """Delivers a response from the cache, whole or as the events of a stream."""
        stream = self._account.call.stream
        self._begin(EVENT_STREAM if stream else JSON, stream=stream)
        self._entry = None  # it is there already
        await self._finish(response.data, Usage())

    async def stream(
        self,
        send: Callable[[], Awaitable[Attempt]],
        encoder: StreamEncoder,
        keep: Callable[[object], Awaitable[None]] | None = None,
    ) -> None:
        """Has a call served, and delivers the stream.

        Once the client was sent anything, a failure is the stream's last event and is not raised.
        While the vendor is silent, that may be a comment: before the first content, too, and then
        retries and fallbacks go on behind it.

        Args:
            send: has the call served; what it returns is closed.
            encoder: makes the client's bytes.
            keep: is given the whole response before its client has it, if it is kept.

        Raises:
            ApiError: it failed before anything was sent.
            ClientLeftError: the client has left.
        """
        account = self._account
        if encoder.keepalive and account.permit:
            self._client.keep_alive(encoder.keepalive, account.limit_headers, encoder.content_type)
        try:
            async with aclosing(await send()) as attempt:
                encoder.maker = attempt.maker
                encoder.request_id = account.envelope.request_id
                account.begin_stream(encoder)
                if keep is None:
                    let_go(account.call, attempt.call)
                with self._costs.followed(encoder):
                    await self._pump(attempt, encoder, keep)
        except (Exception, asyncio.CancelledError) as raised:
            if self._is_whole and account.reason(raised) is None:
                usage = encoder.usage()
                if not usage.estimated:  # Codex awaits no more than the last event
                    await account.end(usage)
                    raise
            error = await account.fail(raised)
            if error is None or self._ended:
                raise
            if not self._client.begun:
                if isinstance(raised, Exception):
                    raise
                raise error from None  # cancelled by a stop
            if not isinstance(raised, ApiError):
                self._log(raised)
            await self._end(encoder.error(error))

    async def _pump(
        self,
        attempt: Attempt,
        encoder: StreamEncoder,
        keep: Callable[[object], Awaitable[None]] | None,
    ) -> None:
        account, client, encode = self._account, self._client, encoder.encode
        copy = account.copy if account.copy.is_wanted else None
        batch: Sequence[Body] | None
        batch, attempt.first = attempt.first, ()  # 2 KB, which a stream need not hold to its end
        next_batch, is_behind, passing = attempt.next, False, attempt.call.passing
        while batch is not None:
            try:
                made = list(map(encode, batch))
            except ProviderError:
                self._log_unreadable()
                raise
            data = b"".join(made)
            if passing is not None and passing.newest is not None:
                passing.learn(made[-1], batch[-1], encoder.said)
            if encoder.complete and not is_behind:
                is_behind, next_batch = True, attempt.rest
                client.await_end(END_SECONDS, attempt.give_up)
                if keep:
                    await keep(encoder.response)
            is_due = encoder.generated > account.room or time.monotonic() >= account.due
            if is_due and not is_behind and not await account.spend():
                reason = Refusal.quota_used_up()
                last = encoder.cut(reason)
                last = None if last is None else data + last
                await self._finish(last, encoder.usage(), reason.code)
                return
            if data:
                if not self._begun:
                    self._begin(encoder.content_type, stream=True)
                    if passing is not None and copy is None:
                        passing.sink = partial(self._pass_on, encoder)
                if copy is not None:
                    copy.add(data)
                try:
                    await client.write(data)
                except OSError as error:
                    raise ClientLeftError from error
                self._is_whole = is_behind
                account.check_stop()
            batch = await next_batch()
        if not self._begun:  # nothing of it was for the client
            self._begin(encoder.content_type, stream=True)
        await self._finish(encoder.finish(), encoder.usage())

    def _pass_on(self, encoder: StreamEncoder, passed: Passed) -> bool:
        """Sends what passes unread as it comes, unless something is to be done or waited for."""
        account, client = self._account, self._client
        most = encoder.generated + len(passed.data)
        is_due = most > account.room or time.monotonic() >= account.due
        if is_due or encoder.complete or not client.is_ready:
            return False
        client.write(encoder.encode(passed))
        return True

    async def _finish(
        self,
        data: bytes | None,
        usage: Usage,
        error_code: str | None = None,
        keep: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """The tail of every response: charged and recorded, cached, and then sent to its end.

        In this order, a client that has its whole response finds it in its usage.

        Args:
            data: the last bytes; None to break the response off.
            usage: of the call.
            error_code: why it is not whole, or None.
            keep: keeps it, once it is charged: a client that leaves meanwhile pays for all of it.
        """
        account, entry = self._account, self._entry
        account.copy.add(data or b"")
        if deferred := account.envelope.deferred:
            await deferred.keep(data or b"")
        await account.end(usage, error_code=error_code)
        if keep:
            await keep()
        if entry and error_code is None and not account.attempts.may_be_cut(usage):
            whole = account.copy.whole(entry.room)
            if whole is not None:
                await entry.put(whole, tuple(account.dropped))
        await self._end(data)

    def _begin(
        self, content_type: str, *, stream: bool, more: Mapping[str, str] = NO_HEADERS
    ) -> None:
        self._begun = True
        account = self._account
        is_text = content_type in (EVENT_STREAM, JSON)
        if not is_text or ENDPOINTS[account.call.endpoint].is_media:
            self._entry = None  # what is cached or logged is text
            account.copy.drop()
        headers = account.response_headers()
        headers.update(more)
        self._client.begin(headers, content_type, stream=stream)

    async def _end(self, data: bytes | None) -> None:
        self._ended = True
        if data is None:
            self._client.abort()
            return
        try:
            await self._client.finish(data)
        except OSError as error:
            raise ClientLeftError from error

    def _log_unreadable(self) -> None:
        """Logs whose response is none: the client learns only that."""
        account = self._account
        target = account.attempts.target
        logger.error(
            "{} made something that is not a response of {} in request {}",
            target.title if target else None,
            account.call.endpoint,
            account.envelope.request_id,
        )

    def _log(self, error: BaseException) -> None:
        """Logs where an unexpected error came from; its message may hold a part of a prompt."""
        if isinstance(error, Exception):
            frames = "".join(traceback.format_tb(error.__traceback__))
            request_id = self._account.envelope.request_id
            logger.error("{} in request {}\n{}", type(error).__name__, request_id, frames)
