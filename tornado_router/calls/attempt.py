"""One attempt: a call, as one provider gets it, sent to one target."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence

from loguru import logger

from tornado_router.calls.tool_state import Owner, ToolState
from tornado_router.calls.vendor_errors import Cause, Verdict, judge
from tornado_router.endpoints import ENDPOINTS
from tornado_router.endpoints.bridges import BridgedProvider, Server
from tornado_router.error_codes import Failure
from tornado_router.errors import ApiError
from tornado_router.observability.attempt_record import AttemptRecord, RecordingClient
from tornado_router.observability.redaction import printable_name
from tornado_router.plugins.registry import FAULTS, ConfiguredProvider
from tornado_router.provider import Body, Call, HTTPClient, Passing, Provider, Relayed
from tornado_router.routing.health import Observation
from tornado_router.routing.routes import Target

MAX_HELD = 64 * 1024
"""Bytes of chunks without content that are held back at most: with more, a stream has begun."""

MADE_CHUNK = 256
"""So many bytes a chunk counts for that a plugin made."""


class Attempt:
    """One attempt to have a call served by a target.

    It is made with `send`. If the client wants a stream, `first` holds its chunks up to the first
    content after that, the others come from `next`, and `aclose` ends it; otherwise `body` holds
    the whole response.

    Args:
        configured: the provider.
        client: its connections.
        call: as the provider gets it.
        target: where it is sent.
        observation: for the breaker, begun.
        server: what serves the call: the provider itself, or bridges in front of it.
        number: of this attempt among those of its call, from 1.
        traced: whether what is sent and received is noted for traces, too.

    Attributes:
        target: where it was sent.
        dropped: the parameters that the provider left out.
        record: of it, for metrics and traces.
        body: the whole response.
        first: the chunks up to the first content: what comes before says nothing yet.
        verdict: on the error that ended it, or None.
        was_lifted: whether it failed by a bound of the router's own, which was lifted then, or by
            what the vendor refused of the client's, which was changed.
        seconds: until the response began, or it failed.
    """

    __slots__ = (
        "_batches",
        "_call",
        "_client",
        "_configured",
        "_gave_up",
        "_memory",
        "_next_batch",
        "_number",
        "_observation",
        "_owner",
        "_provider",
        "_traced",
        "_waits_for_rest",
        "body",
        "dropped",
        "first",
        "record",
        "seconds",
        "target",
        "verdict",
        "was_lifted",
    )

    def __init__(
        self,
        configured: ConfiguredProvider,
        client: HTTPClient,
        call: Call,
        target: Target,
        observation: Observation,
        *,
        server: Server,
        memory: ToolState,
        owner: Owner,
        number: int,
        traced: bool,
    ) -> None:
        provider = configured.provider
        assert provider is not None, "routing plans no target that is off"
        self._configured = configured
        self._provider = server
        self._call = call
        self._observation = observation
        self._memory = memory
        self._owner = owner
        self._number = number
        self._traced = traced
        self._batches: AsyncGenerator[Sequence[Body], None] | None = None
        self._waits_for_rest: asyncio.Task[object] | None = None
        self._gave_up = False
        self.target = target
        self.dropped: Sequence[str] = call.dropped
        self.record = AttemptRecord(
            target.provider,
            provider.otel_provider_name or configured.common.type,
            printable_name(target.model),
        )
        self._client = RecordingClient(client, self.record) if traced else client
        if call.stream and not traced and type(server).stream is Provider.stream:
            call.passing = Passing()  # nothing stands between provider and client that reads chunks
        self.body: Body | None = None
        self.first: Sequence[Body] = ()
        self.verdict: Verdict | None = None
        self.was_lifted = False
        self.seconds = 0.0

    @property
    def call(self) -> Call:
        """The call as the provider gets it."""
        return self._call

    @property
    def maker(self) -> str:
        """The provider, if it has the endpoint itself and made the response; else empty."""
        return "" if isinstance(self._provider, BridgedProvider) else self.target.provider

    @property
    def error(self) -> ApiError | None:
        """The error for the client, or None."""
        return self.verdict.error if self.verdict else None

    async def send(self, seconds: float | None) -> None:
        """Sends the call and waits for the response, or for the first content of it.

        Args:
            seconds: until when it must be there, or None.

        Raises:
            ApiError: it failed.
        """
        receive = self._receive_first if self._call.stream else self._receive_whole
        try:
            if seconds is None:
                await receive()
            else:
                async with asyncio.timeout(seconds):
                    await receive()
        except FAULTS as error:  # a plugin's fault stays the plugin's
            raise self._fail(error) from None
        finally:
            if self.record.first_chunk is None:
                self.seconds = self._end()
            else:  # a stream that goes on
                self.seconds = self._observation.seconds()
        if self._call.kept:
            try:
                await self._keep()
            except BaseException:
                await self.aclose()
                raise

    def take(self) -> Body:
        """The whole response, which is not kept here any longer."""
        body, self.body = self.body, None
        assert body is not None, "it has succeeded"
        return ENDPOINTS[self._call.endpoint].marked(body, self.maker)

    async def next(self) -> Sequence[Body] | None:
        """The next chunks of a stream; None at its end.

        Raises:
            ApiError: it broke off.
        """
        try:
            batch = await self._next_batch()
        except StopAsyncIteration:
            batch = None
        except FAULTS as error:  # a plugin's fault stays the plugin's
            raise self._fail(error) from None
        if batch is None or self._traced:
            self._read(batch)
        if self._call.kept:  # before the client sees the tool call: it may go on at once
            await self._keep()
        return batch

    async def rest(self) -> Sequence[Body] | None:
        """As `next`, behind the end of every choice: what goes wrong there is an end, too."""
        task = self._waits_for_rest = asyncio.current_task()
        try:
            batch = await self._next_batch()
        except StopAsyncIteration:
            batch = None
        except FAULTS as error:
            batch = None
            summary = judge(error, self._configured).summary
            logger.info("{} {} behind its response", self.target.title, summary)
        except asyncio.CancelledError:
            if not self._gave_up or task is None or task.uncancel():
                raise  # by the client, or by a stop
            batch = None
            logger.info("{} did not end its response", self.target.title)
        finally:
            self._waits_for_rest = None
        if batch is None or self._traced:
            self._read(batch)
        if self._call.kept:
            await self._keep()
        return batch

    def give_up(self) -> None:
        """Ends the wait of `rest`, if it waits now."""
        if self._waits_for_rest and not self._gave_up:
            self._gave_up = True
            self._waits_for_rest.cancel()

    async def aclose(self) -> None:
        """Ends a stream, read to its end or not."""
        if self._call.passing is not None:
            self._call.passing.sink = None  # it knows the call, which knows this: a circle
        try:
            if self._batches is not None:
                await self._batches.aclose()
        except FAULTS as error:  # the response is over: nothing is left to fail
            self._log(judge(error, self._configured))
        finally:
            self._end()

    async def _receive_whole(self) -> None:
        body = await self._provider.send(self._call, self._client)
        if body is None:
            raise TypeError("a provider has to return a response")
        self.record.answered = True
        self._observation.succeeded()
        self.body = body
        self.record.complete = True
        if self._traced:
            self.record.read((body,))

    async def _receive_first(self) -> None:
        """Waits for the first content: a failure before it can still be met otherwise."""
        batches = self._batches = self._provider.stream(self._call, self._client)
        self._next_batch = batches.__anext__
        has_content = ENDPOINTS[self._call.endpoint].has_content
        first: Sequence[Body] = ()
        held = 0
        while held <= MAX_HELD:
            batch = await anext(batches, None)
            if batch is None:
                break
            first = [*first, *batch] if first else batch
            if any(map(has_content, batch)):
                break
            for chunk in batch:
                held += len(chunk.raw) if isinstance(chunk, Relayed) else MADE_CHUNK
        if not first:
            name = self._configured.name
            raise Failure.bad_provider_answer(
                f"The provider '{name}' ended its stream before it began."
            )
        self.record.answered = True
        self._observation.succeeded()
        self.first = first
        self.record.first_chunk = time.monotonic()
        if self._traced:
            self.record.read(first)

    def _read(self, batch: Sequence[Body] | None) -> None:
        """Notes what came, or that the stream is over."""
        if batch is None:
            self.record.complete = True
            self._end()
        elif self._traced:
            self.record.read(batch)

    async def _keep(self) -> None:
        """Keeps what the provider needs back on the next turn."""
        await self._memory.keep(self._owner, self._call.kept)
        self._call.kept.clear()

    def _end(self) -> float:
        self.record.end()
        return self._observation.end()

    def _fail(self, error: BaseException) -> ApiError:
        """Notes a failure; returns the error for the client."""
        verdict = self.verdict = judge(error, self._configured)
        if verdict.cause is Cause.TARGET:
            self._observation.failed()
        elif verdict.cause is Cause.LIMIT:
            self._observation.limited(verdict.retry_after)
        self.record.fail(verdict.error.status, verdict.error.code)
        self._log(verdict)
        self._end()
        return verdict.error

    def _log(self, verdict: Verdict) -> None:
        if not verdict.summary:
            return
        place = f"(attempt {self._number}) in request {self._call.id}"
        if verdict.frames:
            logger.error("{} {} {}\n{}", self.target.title, verdict.summary, place, verdict.frames)
        else:
            logger.warning("{} {} {}", self.target.title, verdict.summary, place)
