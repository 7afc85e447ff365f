"""The story of a request that is passed on: gate, admission, vendor, owners, response."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from tornado_router.calls.account import CallAccounts
from tornado_router.calls.client import Envelope
from tornado_router.calls.passed.batches.service import Batches
from tornado_router.calls.passed.errand import Errand, PassedClient, names_kept
from tornado_router.calls.passed.gate import Gate, model_of, models_in
from tornado_router.calls.passed.kept.names import KEPT
from tornado_router.calls.passed.lists import Places
from tornado_router.calls.passed.request import PassedRequest
from tornado_router.calls.passed.rules import Rules
from tornado_router.calls.passed.vendor import Source, Vendor
from tornado_router.calls.resources import Resources
from tornado_router.error_codes import Invalid
from tornado_router.errors import ApiError
from tornado_router.observability.redaction import printable_name
from tornado_router.plugins.registry import ConfiguredProvider
from tornado_router.provider import (
    Call,
    HTTPClient,
    replace_fields,
)
from tornado_router.routing.routes import Router, Target


class PassThroughs:
    """Passes requests on.

    Args:
        providers: every configured provider, by name.
        clients: the connections of those that are on, by name.
        accounts: of the calls that requests are.
        resources: knows whose things are.
        gate: lets requests through.
        router: knows the names of models.
        rules: which requests are passed on.
        batches: which are not passed on as they are.

    Attributes:
        rules: the same.
        resources: the same.
        batches: the same.
    """

    def __init__(
        self,
        providers: Mapping[str, ConfiguredProvider],
        clients: Mapping[str, HTTPClient],
        accounts: CallAccounts,
        *,
        resources: Resources,
        gate: Gate,
        router: Router,
        rules: Rules,
        batches: Batches,
    ) -> None:
        self._providers = providers
        self._clients = clients
        self._accounts = accounts
        self._gate = gate
        self._router = router
        self._places = Places()
        self.rules = rules
        self.resources = resources
        self.batches = batches

    async def run(
        self, request: PassedRequest, call_id: str, envelope: Envelope, client: PassedClient
    ) -> None:
        """Passes one request on. Whatever becomes of it, it is accounted for once.

        Args:
            request: as it was read.
            call_id: its own id.
            envelope: what came with it.
            client: takes the response.

        Raises:
            ApiError: it is refused, or failed.
            ClientLeftError: the client has left.
        """
        body = request.json if isinstance(request.json, Mapping) else {}
        call = Call(call_id, request.endpoint, model_of(request), body, request.raw, stream=False)
        async with self._accounts.open(call, envelope) as account:
            try:
                if names_kept(request):
                    request.provider = KEPT
                self._gate.check_permissions(request, envelope.key)
                await self._gate.check_owners(request, envelope.key)
                source, target = self._source(request, envelope.key.user_id)
            except ApiError:
                await account.refuse()
                raise
            await account.admit((target,) if target else ())
            account.attempts.target = target
            errand = Errand(
                request,
                account,
                client,
                source,
                resources=self.resources,
                gate=self._gate,
                batches=self.batches,
                places=self._places,
            )
            await errand.run()

    def _source(self, request: PassedRequest, user_id: int) -> tuple[Source, Target | None]:
        """Where a request goes: to a vendor's target, or to what the router keeps itself.

        Raises:
            ApiError: 404, that is not there.
        """
        if request.provider == KEPT:
            return self.batches.keeper(user_id), None
        configured, asked = self._configured(request), model_of(request)
        model = self._name_model(request, configured)
        vendor = Vendor(configured, self._clients[request.provider])
        return vendor, Target(request.provider, model if asked else "")

    def _configured(self, request: PassedRequest) -> ConfiguredProvider:
        """The provider that a request goes to.

        Raises:
            ApiError: 404, it is off.
        """
        configured = self._providers.get(request.provider)
        if configured is None or configured.provider is None:
            raise Invalid.passed_to_none(provider=request.provider)
        return configured

    def _name_model(self, request: PassedRequest, configured: ConfiguredProvider) -> str:
        """Names the model of a request as the vendor does; returns the name, if there is one.

        Raises:
            ApiError: 404, the provider does not offer a model that is named.
        """
        name = request.path.model
        if isinstance(request.json, Mapping) and isinstance(request.json.get("model"), str):
            asked = name = request.json["model"]
            for target in self._router.served(asked):
                if target.provider == request.provider:
                    name = target.model
                    break
            if name != asked:
                request.raw = replace_fields(request.raw, {"model": name})
                request.json = {**request.json, "model": name}
        for model in models_in(request):
            if not any(fnmatchcase(model, pattern) for pattern in configured.common.models):
                raise Invalid.model_not_found(model=printable_name(model))
        return name
