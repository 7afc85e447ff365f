"""Reaches a vendor for a session: one target after the other, until one takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace

from loguru import logger

from tornado_router.calls.attempts import Attempts
from tornado_router.calls.vendor_errors import Cause, Verdict, judge
from tornado_router.errors import ApiError
from tornado_router.observability.attempt_record import AttemptRecord
from tornado_router.observability.redaction import printable_name
from tornado_router.plugins.registry import FAULTS, ConfiguredProvider
from tornado_router.provider import Call, HTTPClient, UpstreamSocket
from tornado_router.routing.health import Health, Observation
from tornado_router.routing.routes import Target


@dataclass(slots=True)
class Line:
    """One attempt to have a target take a session, and the websocket that came of it.

    Attributes:
        target: the provider and its model.
        record: for metrics and traces.
        verdict: on the error that ended it, or None.
        was_lifted: never: nothing of a session is bounded by the router.
        dropped: nothing: nothing is left out of it.
        configured: the provider.
        observation: for the breaker, begun.
    """

    configured: ConfiguredProvider
    target: Target
    record: AttemptRecord
    observation: Observation
    verdict: Verdict | None = None
    was_lifted: bool = False
    dropped: Sequence[str] = ()
    _opened: AbstractAsyncContextManager[UpstreamSocket] | None = field(default=None, repr=False)

    @property
    def error(self) -> ApiError | None:
        """The error for the client, or None."""
        return self.verdict.error if self.verdict else None

    @property
    def maker(self) -> str:
        """The provider: no bridge leads to a session."""
        return self.target.provider

    async def open(self, call: Call, http: HTTPClient) -> UpstreamSocket:
        """Opens the websocket.

        Raises:
            ApiError: the vendor refused, or was not reached.
        """
        provider = self.configured.provider
        assert provider is not None, "routing plans no target that is off"
        try:
            self._opened = provider.connect(call, http)
            socket = await self._opened.__aenter__()
        except FAULTS as error:
            self._opened = None
            raise self.fail(error) from None
        except BaseException:
            self._end()
            raise
        self.record.answered = True
        self.observation.succeeded()
        return socket

    def fail(self, error: BaseException) -> ApiError:
        """Notes a failure; returns the error for the client."""
        verdict = self.verdict = judge(error, self.configured)
        if verdict.cause is Cause.TARGET:
            self.observation.failed()
        elif verdict.cause is Cause.LIMIT:
            self.observation.limited(verdict.retry_after)
        self.record.fail(verdict.error.status, verdict.error.code)
        if verdict.summary:
            logger.warning("{} {} in a session", self.target.title, verdict.summary)
        self._end()
        return verdict.error

    async def close(self) -> None:
        """Closes the websocket."""
        opened, self._opened = self._opened, None
        self.record.complete = self.verdict is None
        self._end()
        if opened is not None:
            try:
                await opened.__aexit__(None, None, None)
            except FAULTS as error:
                logger.info("{} {} at the end", self.target.title, type(error).__name__)

    def _end(self) -> None:
        self.record.end()
        self.observation.end()


class Dialer:
    """Reaches vendors.

    Args:
        providers: every configured provider, by name.
        clients: the connections of those that are on, by name.
        health: of the targets.
    """

    def __init__(
        self,
        providers: Mapping[str, ConfiguredProvider],
        clients: Mapping[str, HTTPClient],
        health: Health,
    ) -> None:
        self._providers = providers
        self._clients = clients
        self._health = health

    async def dial(
        self, call: Call, targets: Sequence[Target], attempts: Attempts
    ) -> tuple[Line, UpstreamSocket]:
        """Opens a session with the first target that takes it.

        Args:
            call: the session.
            targets: what to try, in order; at least one.
            attempts: of the session; each is added.

        Raises:
            ApiError: none took it, or one refused what any other would refuse, too.
        """
        for target in self._health.well(targets):
            line = self._line(target)
            attempts.made.append(line)
            attempts.lead(line)
            try:
                its_call = replace(call, model=target.model)
                return line, await line.open(its_call, self._clients[target.provider])
            except ApiError:
                if line.verdict is None or line.verdict.cause is Cause.REQUEST:
                    raise
        raise attempts.most_useful

    def _line(self, target: Target) -> Line:
        configured = self._providers[target.provider]
        provider = configured.provider
        name = (provider and provider.otel_provider_name) or configured.common.type
        record = AttemptRecord(target.provider, name, printable_name(target.model))
        return Line(configured, target, record, self._health.begin(target))
