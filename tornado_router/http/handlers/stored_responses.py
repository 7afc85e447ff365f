"""`/v1/responses/{id}` and below it: responses that are kept, here or by their vendor."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, cast

from tornado_router.calls.background_responses import is_unfinished
from tornado_router.calls.kept_events import behind, has_end
from tornado_router.calls.permissions import check_endpoint
from tornado_router.calls.stored_responses import content_of, failed
from tornado_router.endpoints import RESPONSES
from tornado_router.endpoints.base import EVENT_STREAM
from tornado_router.endpoints.responses_replay import (
    all_events,
    begin_events,
    events_behind,
    framed,
    last_event,
)
from tornado_router.error_codes import Invalid
from tornado_router.errors import ApiError
from tornado_router.http.connection import ClientGoneError
from tornado_router.http.handlers.base import BaseHandler
from tornado_router.provider import Body, Call, Relayed, write_json
from tornado_router.storage.tables import StoredResponse

PAGE, LARGEST_PAGE = 20, 100
"""Of input items: https://platform.openai.com/docs/api-reference/responses/input-items."""


CANCEL_SECONDS, LOOK_SECONDS = 5.0, 0.25
"""So long a cancellation waits for another process that makes the response, looking so often."""

STREAM_SECONDS = 1.0
"""How often it is looked whether a response is finished that is wanted as a stream."""

_MOST_DIGITS = 9
"""Of the number of an event."""

_OF_STREAMS = ("stream", "starting_after", "include_obfuscation")
"""Parameters that no vendor gets: what the router has whole, it streams itself."""


class _StoredHandler(BaseHandler):
    """A request for a response of the key's own user."""

    async def find(self, response_id: str) -> StoredResponse:
        """The response.

        Raises:
            ApiError: 403, the key may not use the endpoint; 404; 503, the database is away.
        """
        assert self.key is not None, "responses are never open"
        check_endpoint(RESPONSES.name, self.key)
        return await self.services.serving.gateway.stored.find(response_id, self.key.user_id)

    async def ask_vendor(self, row: StoredResponse, action: str) -> Body:
        """Has the vendor that keeps a response do something with it.

        Raises:
            ApiError: 404, the provider is not there any more; 503, too many calls run; or as the
                vendor says.
        """
        query = {
            name: self.get_query_arguments(name)
            for name in self.request.query_arguments
            if name not in _OF_STREAMS
        }
        wanted = {"id": row.response_id, "action": action, "query": query}
        name = RESPONSES.stored_name
        call = Call(self.own_id, name, row.model, wanted, b"", stream=False)
        bounds = self.services.bounds
        bounds.begin_call()
        try:
            return await self.services.serving.gateway.ask_provider(call, row.provider)
        finally:
            bounds.end_call()

    def show(self, body: Body) -> None:
        """Responds with what a vendor said."""
        self.finish(body.raw if isinstance(body, Relayed) else write_json(body))


class StoredResponseHandler(_StoredHandler):
    """`/v1/responses/{id}`."""

    _sent_at = 0.0

    async def get(self, response_id: str) -> None:
        """Shows a response, whole or as the events of its stream.

        Raises:
            ApiError: 400, a parameter cannot be used; 404, there is none.
        """
        is_stream, number = self._wants_stream(), self._starting_after()
        row = await self.find(response_id)
        if is_stream:
            await self._stream(row, number)
        else:
            self.show(await self._body(row))

    async def _body(self, row: StoredResponse) -> Body:
        if row.content is None:
            return RESPONSES.marked(await self.ask_vendor(row, "retrieve"), row.provider)
        response: Body = content_of(row)["response"]
        return response

    async def _stream(self, row: StoredResponse, number: int) -> None:
        """Shows a response as events, behind the one with a number.

        One that is still made begins at once, and has its items when it is finished.

        Raises:
            ApiError: 503, too many calls run.
        """
        body = await self._body(row)
        response = body.body if isinstance(body, Relayed) else cast(Mapping[str, Any], body)
        bounds = self.services.bounds
        bounds.begin_call()
        try:
            self.set_header("Content-Type", EVENT_STREAM)
            self.set_header("Cache-Control", "no-cache")
            if row.content is not None and content_of(row).get("events"):
                await self._stream_kept(row, response, number)
                return
            if is_unfinished(response):
                for event in begin_events(response):
                    if event["sequence_number"] > number:
                        number = event["sequence_number"]
                        await self._send(framed(event))
                while is_unfinished(response):
                    response = await self._look_again(row, response)
            for event in events_behind(all_events(response), number):
                await self._send(framed(event))
        except ClientGoneError:
            pass
        finally:
            bounds.end_call()

    async def _stream_kept(
        self, row: StoredResponse, response: Mapping[str, Any], number: int
    ) -> None:
        """Shows the events that are kept behind one, as they come, and the last in any case.

        Raises:
            ClientGoneError: the client has left, or the router stops.
        """
        stored, is_whole = self.services.serving.gateway.stored, False
        while True:
            for events in await stored.events(row, number):
                data = events.data if events.first > number else behind(events.data, number)
                number = events.last
                is_whole = has_end(data)
                await self._send(data)
            if not is_unfinished(response):
                break
            response = await self._look_again(row, response)
        if not is_whole:
            await self._send(framed(last_event(response, number + 1)))

    async def _look_again(
        self, row: StoredResponse, response: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Waits a moment; returns a response as it stands then.

        Raises:
            ClientGoneError: the client has left, or the router stops.
        """
        await asyncio.sleep(STREAM_SECONDS)
        if self.services.requests.cutting_off:
            self.connection.abort()  # so that it does not look whole
            raise ClientGoneError
        try:
            response = content_of(await self.find(row.response_id))["response"]
        except ApiError as error:  # deleted, or the database is away
            return failed(response, error.code or error.type, error.message)
        silence = self.services.serving.config.server.keepalive_seconds
        if silence and time.monotonic() >= self._sent_at + silence:
            await self._send(self.dialect.keepalive)
        return response

    async def _send(self, data: bytes) -> None:
        self._sent_at = time.monotonic()
        self.write(data)
        await self.flush()

    def _wants_stream(self) -> bool:
        given = self.get_query_argument("stream", "false")
        if given not in ("true", "false"):
            raise Invalid.invalid_value(
                "Invalid 'stream': expected 'true' or 'false'.", param="stream"
            )
        return given == "true"

    def _starting_after(self) -> int:
        """The number of the last event that the client has; -1 for none."""
        given = self.get_query_argument("starting_after", "")
        if not given:
            return -1
        if not (given.isascii() and given.isdecimal() and len(given) <= _MOST_DIGITS):
            raise Invalid.invalid_value(
                "Invalid 'starting_after': expected the number of an event.",
                param="starting_after",
            )
        return int(given)

    async def delete(self, response_id: str) -> None:
        """Deletes a response, at the vendor too.

        Raises:
            ApiError: 404, there is none.
        """
        row = await self.find(response_id)
        deleted: Body = {"id": row.response_id, "object": "response", "deleted": True}
        if row.content is None:
            deleted = await self.ask_vendor(row, "delete")
        await self.services.serving.gateway.stored.delete(row)
        self.show(deleted)


class CancelHandler(_StoredHandler):
    """`/v1/responses/{id}/cancel`."""

    async def post(self, response_id: str) -> None:
        """Ends a response that is made in the background.

        Raises:
            ApiError: 400, it is not; 404, there is none.
        """
        row = await self.find(response_id)
        if row.content is None:
            self.show(await self.ask_vendor(row, "cancel"))
            return
        response = content_of(row)["response"]
        if not response.get("background"):
            raise Invalid.not_in_background(id=response_id)
        if is_unfinished(response):
            response = await self._cancel(row)
        self.show(response)

    async def _cancel(self, row: StoredResponse) -> Mapping[str, Any]:
        """Ends a response, wherever it is made; returns it as it then stands."""
        stored = self.services.serving.gateway.stored
        if not await self.services.background.cancel(row):
            await stored.cancel(row)
        deadline = time.monotonic() + CANCEL_SECONDS
        while True:
            found = await self.find(row.response_id)
            response: Mapping[str, Any] = content_of(found)["response"]
            if not is_unfinished(response) or time.monotonic() >= deadline:
                return response
            await asyncio.sleep(LOOK_SECONDS)


class InputItemsHandler(_StoredHandler):
    """`/v1/responses/{id}/input_items`."""

    async def get(self, response_id: str) -> None:
        """Lists the items that were new with the request, the last first.

        Raises:
            ApiError: 400, a query that cannot be used; 404, there is no such response.
        """
        row = await self.find(response_id)
        if row.content is None:
            self.show(await self.ask_vendor(row, "input_items"))
            return
        items, limit = list(content_of(row)["input"]), self._limit()
        if self._order() == "desc":
            items.reverse()
        after = self.get_query_argument("after", "")
        if after:
            ids = [item["id"] for item in items]
            items = items[ids.index(after) + 1 :] if after in ids else []
        self.show(_page(items, limit))

    def _limit(self) -> int:
        given = self.get_query_argument("limit", str(PAGE))
        is_number = given.isascii() and given.isdecimal() and len(given) <= len(str(LARGEST_PAGE))
        if not (is_number and 1 <= int(given) <= LARGEST_PAGE):
            raise Invalid.invalid_value(
                f"Invalid 'limit': expected an integer from 1 to {LARGEST_PAGE}.", param="limit"
            )
        return int(given)

    def _order(self) -> str:
        given = self.get_query_argument("order", "desc")
        if given not in ("asc", "desc"):
            raise Invalid.invalid_value("Invalid 'order': expected 'asc' or 'desc'.", param="order")
        return given


def _page(items: list[Mapping[str, Any]], limit: int) -> Mapping[str, Any]:
    """The first of some items, as OpenAI's API lists them."""
    shown = items[:limit]
    return {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
        "has_more": len(items) > limit,
    }
