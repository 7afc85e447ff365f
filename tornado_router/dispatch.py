"""Sends a call to its targets: one after the other, each once, until one answers.

A staircase, one concern a step: `send` tries targets in order, `_send_once` makes one attempt.
Once a stream's first chunk is here nothing is tried again, for the client is about to see it.
"""

from __future__ import annotations

import traceback
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, cast

from loguru import logger

from tornado_router.errors import ApiError, ProviderError, bad_answer
from tornado_router.memory import Memory, Owner, tool_call_ids
from tornado_router.plugins import ConfiguredProvider
from tornado_router.provider import Body, Call, HTTPClient, Provider, Unsupported
from tornado_router.routing import Target

MAX_WORDS = 4000
"""Of a vendor's message, this much goes on."""

_STATUSES = {401: 502, 402: 503, 403: 502, 503: 503, 504: 504, 529: 503}
"""What the client sees for a provider's status, where it is not the same."""


@dataclass(slots=True)
class Attempts:
    """What was tried for one call; the last is the one that the client was answered from.

    Attributes:
        user_id: whose call it is.
        targets: those that were tried, in order.
        dropped: the parameters that the last one left out.
    """

    user_id: int
    targets: list[Target] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    @property
    def last(self) -> Target | None:
        """The target that was tried last."""
        return self.targets[-1] if self.targets else None


@dataclass(frozen=True, slots=True)
class ChunkStream:
    """A streamed answer: the chunks that came first, and the rest as it comes."""

    first: Sequence[Body]
    rest: AsyncGenerator[Sequence[Body], None]


class Dispatcher:
    """Sends calls to providers.

    Args:
        providers: every configured provider, by name.
        clients: the connections of those that are on, by name.
        memory: keeps what providers need back on the next turn.
    """

    def __init__(
        self,
        providers: Mapping[str, ConfiguredProvider],
        clients: Mapping[str, HTTPClient],
        memory: Memory,
    ) -> None:
        self._providers = providers
        self._clients = clients
        self._memory = memory

    async def send(
        self, call: Call, targets: Sequence[Target], attempts: Attempts
    ) -> Body | ChunkStream:
        """Serves a call from the first target that can.

        Args:
            call: what the client asked for.
            targets: what to try, in order; at least one.
            attempts: told of each attempt as it is made.

        Raises:
            ApiError: every target failed, or one refused what any other would refuse too.
        """
        for target in targets[:-1]:
            try:
                return await self._send_once(call, target, attempts)
            except ProviderError as error:
                if not error.retryable:
                    raise
        return await self._send_once(call, targets[-1], attempts)

    async def _send_once(
        self, call: Call, target: Target, attempts: Attempts
    ) -> Body | ChunkStream:
        configured = self._providers[target.provider]
        provider, client = configured.provider, self._clients[target.provider]
        assert provider is not None, "routing plans no target that is off"
        owner = (attempts.user_id, target.provider)
        attempt = Call(
            call.id,
            call.endpoint,
            target.model,
            call.body,
            call.raw,
            call.stream,
            cast(Unsupported, configured.common.unsupported),
            await self._recall(owner, call) if provider.remembers else {},
        )
        attempts.targets.append(target)
        attempts.dropped = attempt.dropped
        if attempt.stream:
            return await self._open_stream(provider, attempt, client, owner, configured)
        try:
            answer = await provider.send(attempt, client)
        except Exception as error:  # noqa: BLE001 - a plugin's fault stays the plugin's
            raise _for_client(error, configured) from None
        if attempt.kept:
            await self._keep(attempt, owner)
        return answer

    async def _open_stream(
        self,
        provider: Provider,
        attempt: Call,
        client: HTTPClient,
        owner: Owner,
        configured: ConfiguredProvider,
    ) -> ChunkStream:
        """Waits for the first chunk: a failure before it can still be answered otherwise."""
        rest = self._stream(provider, attempt, client, owner, configured)
        async for first in rest:
            return ChunkStream(first, rest)
        error = bad_answer(f"The provider '{configured.name}' ended its stream before it began.")
        raise _for_client(error, configured)

    async def _stream(
        self,
        provider: Provider,
        attempt: Call,
        client: HTTPClient,
        owner: Owner,
        configured: ConfiguredProvider,
    ) -> AsyncGenerator[Sequence[Body], None]:
        try:
            async with aclosing(provider.stream(attempt, client)) as chunks:
                async for batch in chunks:
                    if attempt.kept:  # before the client sees the call, as it may answer at once
                        await self._keep(attempt, owner)
                    yield batch
        except Exception as error:  # noqa: BLE001 - a plugin's fault stays the plugin's
            raise _for_client(error, configured) from None

    async def _recall(self, owner: Owner, call: Call) -> dict[str, Any]:
        return await self._memory.recall(owner, tool_call_ids(call.body))

    async def _keep(self, attempt: Call, owner: Owner) -> None:
        await self._memory.keep(owner, attempt.kept)
        attempt.kept.clear()


def _for_client(error: Exception, configured: ConfiguredProvider) -> ApiError:
    """What the client is told of a provider's failure; nothing in it is a secret."""
    if not isinstance(error, ApiError):
        # The message may hold a part of the prompt, so only the place is logged.
        frames = "".join(traceback.format_tb(error.__traceback__)[-3:])
        logger.error("the provider {} raised {}\n{}", configured.name, type(error).__name__, frames)
        return ProviderError(
            502, f"The provider '{configured.name}' failed.", code="provider_fault"
        )
    error.message = _clean(error.message, configured) or f"The provider '{configured.name}' failed."
    error.type = _clean(error.type, configured) or "api_error"
    error.param = _clean(error.param, configured)
    error.code = _clean(error.code, configured)
    if not isinstance(error, ProviderError):
        return error  # the plugin refused the client's request
    logger.warning(
        "the provider {} failed: status {}, {}", configured.name, error.status, error.code
    )
    if error.status in (401, 403):
        # The client's own key is right, so it must not be told that it is wrong; and a vendor's
        # words on a bad key tend to quote it.
        message = f"The provider '{configured.name}' refused the router's credentials."
        return ProviderError(502, message, code="provider_refused_credentials")
    error.status = _status(error.status)
    return error


def _clean(text: object, configured: ConfiguredProvider) -> str | None:
    """A vendor's words as they may go on: one line that any log and database takes, no secret."""
    if not isinstance(text, str):
        return None
    for secret in configured.secrets:
        text = text.replace(secret, "***")
    return "".join(c if c.isprintable() else " " for c in text[:MAX_WORDS])


def _status(status: int) -> int:
    if status in _STATUSES:
        return _STATUSES[status]
    return status if 400 <= status < 500 else 502
