"""Opens realtime sessions: everything that can refuse one is asked before its client is let in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from tornado_router.calls.account import CallAccounts
from tornado_router.calls.client import Envelope
from tornado_router.calls.gateway import Gateway
from tornado_router.calls.permissions import check_permissions
from tornado_router.calls.realtime.dialing import Dialer
from tornado_router.calls.realtime.responses import Refresh, SessionResponses
from tornado_router.calls.realtime.session import Session
from tornado_router.config.options import ServerOptions
from tornado_router.endpoints.realtime import TRANSCRIPTION
from tornado_router.error_codes import Invalid
from tornado_router.errors import ApiError
from tornado_router.observability.redaction import printable_name
from tornado_router.provider import Call
from tornado_router.routing.routes import Target


class Sessions:
    """Opens sessions.

    Args:
        gateway: knows the targets of models.
        accounts: of the calls.
        dialer: reaches vendors.
        refresh: looks a key up again; None for one that was revoked.
        options: `[server]`.
    """

    def __init__(
        self,
        gateway: Gateway,
        accounts: CallAccounts,
        dialer: Dialer,
        refresh: Refresh,
        options: ServerOptions,
    ) -> None:
        self._gateway = gateway
        self._accounts = accounts
        self._dialer = dialer
        self._refresh = refresh
        self._options = options

    @asynccontextmanager
    async def open(
        self, call: Call, envelope: Envelope, *, is_bound: bool = False
    ) -> AsyncIterator[Session]:
        """Admits a session, and reaches a vendor for it; it is closed at the end of `async with`.

        Args:
            call: the session that the client asks for.
            envelope: what came with it.
            is_bound: whether it may use no other model than the one of the call.

        Raises:
            ApiError: it is refused, or no vendor takes it.
        """
        async with self._accounts.open(call, envelope) as account:
            try:
                route = self._gateway.route(call, envelope.chosen, envelope.key)
                if route.log_requests:
                    account.log(by_route=True)
                check_permissions(call.endpoint, call.model, envelope.key)
            except ApiError:
                await account.refuse()
                raise
            permit = await account.admit(route.targets)
            if len(permit.targets) < len(route.targets):
                route = route.only(permit.targets)
            targets = self._gateway.in_order(route, call, permit, envelope.headers)
            line, upstream = await self._dialer.dial(call, targets, account.attempts)
            responses = SessionResponses(self._accounts, account, self._refresh)
            models = SessionModels(self._gateway, responses, call, is_bound=is_bound)
            session = Session(
                upstream,
                responses,
                models,
                self._options,
                account,
                is_stopping=self._accounts.is_stopping,
            )
            try:
                yield session
            finally:
                try:
                    await responses.close(session.reason)
                finally:
                    await line.close()


class SessionModels:
    """Knows which models a session may use, and what their vendor calls them.

    Args:
        gateway: knows the targets of models.
        responses: of the session.
        call: the session.
        is_bound: whether it may use no other model to speak.

    Attributes:
        transcriber: writes down what the client says; None if nothing does.
    """

    def __init__(
        self, gateway: Gateway, responses: SessionResponses, call: Call, *, is_bound: bool
    ) -> None:
        self._gateway = gateway
        self._responses = responses
        self._call = call
        self._is_bound = is_bound
        is_transcription = call.body.get("type") == TRANSCRIPTION
        self.transcriber: Target | None = responses.target if is_transcription else None

    def resolve(self, model: str, *, speaks: bool) -> str:
        """The vendor's name of a model that a client names within the session.

        Args:
            model: the client's name of it.
            speaks: whether it is to make the responses; another writes down what the client says.

        Raises:
            ApiError: 403, it may not be used; 400, another vendor has it.
        """
        responses = self._responses
        if speaks and model in (responses.model, responses.target.model):
            return responses.target.model
        check_permissions(self._call.endpoint, model, responses.key)
        target = self._target(model)
        if not speaks:
            self.transcriber = target or Target(responses.target.provider, model)
            return self.transcriber.model
        if self._is_bound or target is None:
            raise Invalid.session_model_fixed(
                model=printable_name(responses.model), param="session.model"
            )
        responses.model, responses.target = model, target
        return target.model

    def _target(self, model: str) -> Target | None:
        """The target of a model at the vendor of the session."""
        try:
            call = replace(self._call, model=model, body={"model": model})
            route = self._gateway.route(call, None, self._responses.key)
        except ApiError:
            return None
        provider = self._responses.target.provider
        return next((it for it in route.targets if it.provider == provider), None)
