"""The story of a request that is passed on: gate, admission, vendor, owners, response."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Protocol

from loguru import logger

from tornado_router.calls.account import CallAccount, CallAccounts
from tornado_router.calls.client import Client, ClientLeftError, Envelope
from tornado_router.calls.passed.batches.service import Batches
from tornado_router.calls.passed.batches.submission import is_submission
from tornado_router.calls.passed.gate import Gate, model_of, models_in
from tornado_router.calls.passed.lists import Lists
from tornado_router.calls.passed.request import PassedRequest, Query, write_query
from tornado_router.calls.passed.rules import Rules
from tornado_router.calls.passed.uploads import checked_upload
from tornado_router.calls.passed.vendor import Vendor, is_json, length_of
from tornado_router.calls.resource_rows import Made, Owner
from tornado_router.calls.resources import Resources
from tornado_router.endpoints import KNOWN
from tornado_router.endpoints.made_resources import Thing, beside, created
from tornado_router.endpoints.passed_usage import UsageMeter
from tornado_router.error_codes import Failure, Invalid
from tornado_router.errors import ApiError
from tornado_router.observability.redaction import printable_name
from tornado_router.plugins.registry import ConfiguredProvider
from tornado_router.provider import (
    Call,
    HTTPClient,
    PassThrough,
    Relayed,
    UpstreamStream,
    load_json,
    replace_fields,
    write_json,
)
from tornado_router.routing.routes import Router, Target
from tornado_router.sse import Decoder, events_of
from tornado_router.usage import Usage

JSON = "application/json"
_EVENTS = "text/event-stream"

_NO_CONTENT = 204

_BATCHES = "batches"


class PassedClient(Client, Protocol):
    """Takes a response that may have any status of success."""

    def set_status(self, status: int) -> None:
        """Takes the status, before the head."""
        ...


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
        asked = model_of(request)
        call = Call(call_id, request.endpoint, asked, body, request.raw, stream=False)
        async with self._accounts.open(call, envelope) as account:
            try:
                self._gate.check_permissions(request, envelope.key)
                await self._gate.check_owners(request, envelope.key)
                configured = self._configured(request)
                model = self._name_model(request, configured)
            except ApiError:
                await account.refuse()
                raise
            target = Target(request.provider, model if asked else "")
            await account.admit((target,))
            account.attempts.target = target
            vendor = Vendor(configured, self._clients[request.provider])
            errand = _Errand(
                request,
                account,
                client,
                vendor,
                resources=self.resources,
                gate=self._gate,
                batches=self.batches,
            )
            await errand.run()

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


class _Errand:
    """One request that was let through."""

    def __init__(
        self,
        request: PassedRequest,
        account: CallAccount,
        client: PassedClient,
        vendor: Vendor,
        *,
        resources: Resources,
        gate: Gate,
        batches: Batches,
    ) -> None:
        self._request = request
        self._account = account
        self._client = client
        self._vendor = vendor
        self._resources = resources
        self._gate = gate
        self._batches = batches
        key = account.envelope.key
        self._owner = Owner(key.user_id, key.id, request.provider)

    async def run(self) -> None:
        request = self._request
        if request.is_list and request.path.collection != "models":
            await self._list()
            return
        if is_submission(request):
            raw = await self._batches.submit(request, self._account, self._vendor)
            await self._deliver(raw, JSON, Usage(), {})
            return
        upload = None
        if request.upload is not None:
            upload = checked_upload(request, self._account.envelope.key, self._gate)
        passed = self._passed(request.query, upload.body if upload else request.raw)
        try:
            async with self._vendor.opened(passed) as response:
                self._account.attempts.waited += self._vendor.waited
                kind = self._vendor.content_type(response)
                if is_json(kind) and not request.path.is_content:
                    await self._whole(response, kind)
                else:
                    await self._stream(response, kind)
        except ApiError:
            if not (upload and upload.refused):
                raise
        if upload and upload.refused:
            raise upload.refused[0]

    async def _list(self) -> None:
        request, account = self._request, self._account
        path = request.path
        mine = await self._resources.ids_of(self._owner.user_id, request.provider, path.collection)

        async def ask(query: Query) -> Mapping[str, Any]:
            async with self._vendor.opened(self._passed(query, b"")) as response:
                body = self._object(await self._vendor.read(response))
            account.attempts.waited = self._vendor.waited
            return body

        page = await Lists(ask, mine, request.dialect).page(request.query)
        if path.collection == _BATCHES:
            page = {**page, "data": await self._shown(page.get("data"))}
        await self._deliver(write_json(page), JSON, Usage(), {})

    async def _shown(self, batches: Any) -> list[Any]:
        """Batches as their client knows them, once it is noted whose the files in them are."""
        items = [item for item in batches if isinstance(item, Mapping)] if batches else []
        things = [thing for item in items for thing in beside(self._request.path, item)]
        await self._note_all(things)
        renamed = await self._batches.renamed(self._request.provider, items)
        return [
            {**item, "input_file_id": renamed[item["id"]]} if item.get("id") in renamed else item
            for item in items
        ]

    async def _whole(self, response: UpstreamStream, kind: str) -> None:
        """Delivers a response in JSON, once it is noted whose the things in it are."""
        request = self._request
        raw = await self._vendor.read(response)
        usage = Usage()
        if raw:
            body = self._object(raw)
            await self._note(created(request.method, request.path, body), body)
            if request.path.collection == _BATCHES:
                renamed = await self._batches.renamed(request.provider, [body])
                for file in renamed.values():
                    raw = replace_fields(raw, {"input_file_id": file})
            call = self._account.call
            usage = KNOWN[call.endpoint].whole(call, Relayed(body, raw)).usage
        if request.method == "DELETE" and request.path.owned and not request.path.inner:
            await self._resources.forget(self._owner.user_id, request.provider, request.path.owned)
        self._client.set_status(response.status)
        await self._deliver(raw, kind, usage, self._vendor.headers(response))

    async def _deliver(
        self, data: bytes, kind: str, usage: Usage, headers: Mapping[str, str]
    ) -> None:
        account = self._account
        account.copy.add(data)
        await account.end(usage)
        self._client.begin({**headers, **account.response_headers()}, kind, stream=False)
        try:
            await self._client.finish(data)
        except OSError as error:
            raise ClientLeftError from error

    async def _stream(self, response: UpstreamStream, kind: str) -> None:
        """Delivers a response as it comes, no faster than the client reads."""
        account, client = self._account, self._client
        is_events = kind.partition(";")[0].strip().lower() == _EVENTS
        if not is_events:
            account.copy.drop()
        meter, length = UsageMeter(), length_of(response.headers)
        headers = {**self._vendor.headers(response), **account.response_headers()}
        if length and response.status != _NO_CONTENT:
            headers["Content-Length"] = length
        client.set_status(response.status)
        client.begin(headers, kind, stream=True)
        last = b""
        pieces = self._vendor.pieces(response)
        try:
            async for piece in self._events(pieces, meter) if is_events else pieces:
                account.copy.add(piece)
                if is_events:
                    await client.write(piece)
                    continue
                if last:
                    await client.write(last)
                last = piece  # what is recorded first is the end
                account.check_stop()
            await account.end(self._used(meter))
            await client.finish(last)
        except OSError as error:
            raise ClientLeftError from error

    async def _events(
        self, pieces: AsyncIterator[bytes], meter: UsageMeter
    ) -> AsyncIterator[bytes]:
        """A stream of events; one that may tell of something new goes on once that is noted."""
        decoder, notes = Decoder(), self._request.method == "POST" and not self._request.path.owned
        async for piece in pieces:
            whole = decoder.complete(piece)
            for event in events_of(whole):
                meter.read(event.data)
                if notes and b'"object"' in event.data:
                    await self._note_event(event.data)
            if not notes:
                yield piece
            elif whole:
                yield whole

    async def _note_event(self, data: bytes) -> None:
        try:
            body = load_json(data)
        except ValueError:
            return
        if isinstance(body, Mapping):
            await self._note(None, body)

    async def _note(self, made: Thing | None, body: Mapping[str, Any]) -> None:
        """Notes whose things are, before the client learns their ids.

        Raises:
            ProviderError: 502, what the vendor has made is another user's.
        """
        others = [thing for thing in beside(self._request.path, body) if thing != made]
        taken = await self._note_all([*([made] if made else ()), *others])
        if made and made.id in taken:
            raise Failure.bad_provider_answer(
                f"The provider '{self._request.provider}' gave an id that it gave before."
            )

    async def _note_all(self, things: Sequence[Thing]) -> set[str]:
        """Notes whose some things are; returns the ids that another user has."""
        noted = [Made(thing.id, thing.collection, thing.expires) for thing in things]
        taken = await self._resources.note(self._owner, noted)
        if taken:
            provider = self._request.provider
            logger.error("{} gave an id to a second user: {}", provider, printable_name(min(taken)))
        return taken

    def _used(self, meter: UsageMeter) -> Usage:
        call = self._account.call
        if not call.model:
            return Usage()
        return meter.usage or KNOWN[call.endpoint].estimate(call)

    def _object(self, raw: bytes) -> Mapping[str, Any]:
        """The JSON object in a response.

        Raises:
            ProviderError: 502, there is none.
        """
        try:
            body = load_json(raw)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            name = self._request.provider
            raise Failure.bad_provider_answer(f"The provider '{name}' sent no JSON object.")
        return body

    def _passed(self, query: Query, body: Any) -> PassThrough:
        request = self._request
        return PassThrough(
            request.method, request.path.written, write_query(query), request.forwarded(), body
        )
