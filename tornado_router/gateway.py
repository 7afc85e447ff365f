"""The whole story of a call: plan, send, answer, and account for it whatever happened."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from tornado_router.answers import ChunkEncoder, encode_error, encode_whole
from tornado_router.auth import Key
from tornado_router.dispatch import Attempts, ChunkStream, Dispatcher
from tornado_router.errors import ApiError
from tornado_router.hookspecs import RequestFinished
from tornado_router.provider import Call
from tornado_router.routing import Router
from tornado_router.usage import Usage, estimate_usage

CLIENT_CLOSED = 499
"""What nginx logs, and we do, for a client that went away before its answer was whole."""

MAX_NAME = 200
"""Of a name that a client or a vendor chose, this much is kept."""

Observer = Callable[[RequestFinished], None]


@dataclass(slots=True)
class Reply:
    """An answer.

    Attributes:
        dropped: parameters of the request that the provider left out.
        body: a JSON body, or None for a stream.
        events: server-sent events as they come, or None; to be closed, read to its end or not.
    """

    dropped: Sequence[str]
    body: bytes | None = None
    events: AsyncGenerator[bytes, None] | None = None


@dataclass(slots=True)
class _Progress:
    """What is known of a call while it runs."""

    call: Call
    key: Key
    request_id: str
    started: float
    attempts: Attempts
    usage: Usage
    status: int = 200
    error_code: str | None = None
    first_chunk: float | None = None

    def fail(self, error: BaseException) -> None:
        if isinstance(error, ApiError):
            self.status, self.error_code = error.status, error.code or error.type
        elif isinstance(error, Exception):
            self.status, self.error_code = 500, "internal_error"
        else:  # cancelled, or closed: the client went away, and the provider may charge for it
            self.status, self.error_code = CLIENT_CLOSED, "client_closed"
            if self.attempts.targets:
                self.usage = estimate_usage(self.call.body, 0)


class Gateway:
    """Serves calls.

    Args:
        router: says who serves a model.
        dispatcher: sends calls there.
        observers: told of each call once it is over; none may block or raise.
    """

    def __init__(
        self, router: Router, dispatcher: Dispatcher, observers: Sequence[Observer]
    ) -> None:
        self._router = router
        self._dispatcher = dispatcher
        self._observers = observers

    async def run(self, call: Call, key: Key, request_id: str, started: float) -> Reply:
        """Serves one valid call.

        Args:
            call: what the client asked for.
            key: whose call it is.
            request_id: what the client knows the call by.
            started: when it came in, by `time.monotonic()`.

        Raises:
            ApiError: the call is refused, or failed before its answer began.
        """
        progress = _Progress(call, key, request_id, started, Attempts(key.user_id), Usage())
        try:
            targets = self._router.plan(call.model, call.endpoint)
            answer = await self._dispatcher.send(call, targets, progress.attempts)
            if isinstance(answer, ChunkStream):
                events = await self._begin(answer, progress)
                return Reply(progress.attempts.dropped, events=events)
            body, progress.usage = encode_whole(call, answer)
        except BaseException as error:
            progress.fail(error)
            self._settle(progress)
            raise
        self._settle(progress)
        return Reply(progress.attempts.dropped, body)

    async def _begin(self, stream: ChunkStream, progress: _Progress) -> AsyncGenerator[bytes, None]:
        """Makes the first event before anything is sent, as it may still turn out an error."""
        progress.first_chunk = time.monotonic() - progress.started
        encoder = ChunkEncoder(progress.call)
        try:
            first = b"".join(map(encoder.encode, stream.first))
        except BaseException:
            await stream.rest.aclose()
            raise
        events = self._relay(first, stream, encoder, progress)
        await anext(events)
        return events

    async def _relay(
        self, first: bytes, stream: ChunkStream, encoder: ChunkEncoder, progress: _Progress
    ) -> AsyncGenerator[bytes, None]:
        try:
            async with aclosing(stream.rest) as rest:
                yield b""  # to `_begin`: once begun, it settles even if nobody reads it
                if first:
                    yield first
                async for batch in rest:
                    events = b"".join(map(encoder.encode, batch))
                    if events:
                        yield events
            yield encoder.finish()
        except ApiError as error:
            progress.fail(error)
            yield encode_error(error)
        except BaseException as error:
            progress.fail(error)
            raise
        finally:
            progress.usage = encoder.usage()
            self._settle(progress)

    def _settle(self, progress: _Progress) -> None:
        call, usage, target = progress.call, progress.usage, progress.attempts.last
        finished = RequestFinished(
            call_id=call.id,
            request_id=progress.request_id,
            endpoint=call.endpoint,
            user_id=progress.key.user_id,
            key_id=progress.key.id,
            key_name=progress.key.name,
            model=call.model[:MAX_NAME],
            provider=target.provider if target else None,
            target_model=target.model[:MAX_NAME] if target else None,
            stream=call.stream,
            status=progress.status,
            error_code=progress.error_code[:MAX_NAME] if progress.error_code else None,
            dropped_params=tuple(progress.attempts.dropped),
            prompt_tokens=usage.prompt,
            completion_tokens=usage.completion,
            cached_tokens=usage.cached,
            reasoning_tokens=usage.reasoning,
            usage_estimated=usage.estimated,
            finished_at=time.time(),
            duration=time.monotonic() - progress.started,
            first_chunk=progress.first_chunk,
        )
        for observer in self._observers:
            observer(finished)
