"""One request on its way to a vendor, or to what the router keeps, and back: owners are noted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

from loguru import logger

from tornado_router.calls.account import CallAccount
from tornado_router.calls.client import Client, ClientLeftError
from tornado_router.calls.passed import resumable
from tornado_router.calls.passed.batches.service import Batches
from tornado_router.calls.passed.batches.submission import is_submission
from tornado_router.calls.passed.gate import Gate
from tornado_router.calls.passed.kept.names import KEPT, KEPT_KINDS, is_kept
from tornado_router.calls.passed.lists import Ask, Lists, Places, behind
from tornado_router.calls.passed.request import PassedRequest, Query, write_query
from tornado_router.calls.passed.uploads import checked_upload
from tornado_router.calls.passed.vendor import Source, is_json, length_of
from tornado_router.calls.resource_rows import Made, Owner
from tornado_router.calls.resources import Resources
from tornado_router.endpoints import KNOWN, PASSTHROUGH
from tornado_router.endpoints.made_resources import Thing, beside, created
from tornado_router.endpoints.passed_usage import UsageMeter
from tornado_router.error_codes import Failure
from tornado_router.errors import ApiError
from tornado_router.observability.redaction import printable_name
from tornado_router.provider import (
    PassThrough,
    Relayed,
    UpstreamStream,
    load_json,
    replace_fields,
    write_json,
)
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


class Errand:
    """One request that was let through."""

    def __init__(
        self,
        request: PassedRequest,
        account: CallAccount,
        client: PassedClient,
        source: Source,
        *,
        resources: Resources,
        gate: Gate,
        batches: Batches,
        places: Places,
    ) -> None:
        self._request = request
        self._account = account
        self._client = client
        self._source = source
        self._resources = resources
        self._gate = gate
        self._batches = batches
        self._places = places
        key = account.envelope.key
        self._owner = Owner(key.user_id, key.id, request.provider)

    async def run(self) -> None:
        """Does it.

        Raises:
            ApiError: it is refused, or failed.
            ClientLeftError: the client has left.
        """
        request = self._request
        if request.is_list and request.path.collection != "models":
            await self._list()
            return
        if is_submission(request):
            raw = await self._batches.submit(request, self._account, self._source)
            await self._deliver(raw, JSON, Usage(), {})
            return
        upload = None
        if request.upload is not None:
            upload = checked_upload(request, self._account.envelope.key, self._gate)
        passed = self._passed(request.query, upload.body if upload else request.raw)
        try:
            async with self._source.opened(passed) as response:
                self._account.attempts.waited += self._source.waited
                kind = self._source.content_type(response)
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
        request, path = self._request, self._request.path
        mine, ask = await self._listed(self._source)
        if self._batches.options.by_router and may_be_kept(request):
            kept, first = await self._listed(self._batches.keeper(self._owner.user_id))
            ask, mine = behind(first, kept, ask), mine | kept
        name = (self._owner.user_id, self._source.name, path.written)
        lists = Lists(ask, mine, request.dialect, self._places, name)
        page = await lists.page(request.query)
        if path.collection == _BATCHES:
            page = {**page, "data": await self._shown(page.get("data"))}
        await self._deliver(write_json(page), JSON, Usage(), {})

    async def _listed(self, source: Source) -> tuple[set[str], Ask]:
        """The ids that the user has in one place of what is listed, and what lists that."""
        path, user_id = self._request.path, self._owner.user_id
        mine = await self._resources.ids_of(user_id, source.name, path.collection)

        async def ask(query: Query) -> Mapping[str, Any]:
            async with source.opened(self._passed(query, b"")) as response:
                body = self._object(await source.read(response))
            self._account.attempts.waited = self._source.waited
            return body

        return mine, ask

    async def _shown(self, batches: Any) -> list[Any]:
        """Batches as their client knows them, once it is noted whose the files in them are."""
        items = [item for item in batches if isinstance(item, Mapping)] if batches else []
        theirs = [item for item in items if not is_kept(str(item.get("id")))]
        things = [thing for item in theirs for thing in beside(self._request.path, item)]
        await self._note_all(things)
        renamed = await self._batches.renamed(self._request.provider, items)
        return [
            {**item, "input_file_id": renamed[item["id"]]} if item.get("id") in renamed else item
            for item in items
        ]

    async def _whole(self, response: UpstreamStream, kind: str) -> None:
        """Delivers a response in JSON, once it is noted whose the things in it are."""
        request = self._request
        raw = await self._source.read(response)
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
        await self._deliver(raw, kind, usage, self._headers(response))

    def _headers(self, response: UpstreamStream) -> dict[str, str]:
        """Those of a response that reach the client."""
        headers, address = self._source.headers(response), self._request.address
        url = headers.pop(resumable.URL_HEADER, "")
        own = address(url) if url and address else None
        return {**headers, resumable.URL_HEADER: own} if own else headers

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
        headers = {**self._headers(response), **account.response_headers()}
        if length and response.status != _NO_CONTENT:
            headers["Content-Length"] = length
        client.set_status(response.status)
        client.begin(headers, kind, stream=True)
        last = b""
        pieces = self._source.pieces(response)
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
        asked = write_query([*query, *request.session])
        return PassThrough(request.method, request.path.written, asked, request.forwarded(), body)


def may_be_kept(request: PassedRequest) -> bool:
    """Whether a request is for things of which the router may keep some itself."""
    is_own = request.endpoint.startswith(PASSTHROUGH)
    return not is_own and request.provider != KEPT and request.path.collection in KEPT_KINDS


def names_kept(request: PassedRequest) -> bool:
    """Whether a request is for one of the things that the router keeps itself."""
    if not may_be_kept(request):
        return False
    file = request.json.get("input_file_id") if isinstance(request.json, Mapping) else None
    names_file = is_submission(request) and isinstance(file, str) and is_kept(file)
    return is_kept(request.path.owned) or names_file
