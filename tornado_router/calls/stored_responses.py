"""Responses that their clients may ask for again, or go on from, by their ids.

Of a vendor that keeps them itself, it is only noted whose they are and who has them. Others are in
the database, with the items of the input that was new with them: a conversation is a chain.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from loguru import logger

from tornado_router.background.supervisor import start_task
from tornado_router.calls import event_rows, item_rows
from tornado_router.calls import response_rows as rows
from tornado_router.calls.kept_events import Events, KeptEvents
from tornado_router.calls.new_response import NewResponse
from tornado_router.calls.response_batches import ResponseBatches
from tornado_router.calls.response_rows import too_long
from tornado_router.config.options import ResponsesOptions
from tornado_router.endpoints import ENDPOINTS
from tornado_router.endpoints.item_references import KeptItem, Reference, resolved
from tornado_router.error_codes import Invalid
from tornado_router.errors import DatabaseAwayError
from tornado_router.observability.redaction import printable_name
from tornado_router.provider import Call, load_json, write_json
from tornado_router.routing.routes import Route, Target
from tornado_router.storage.storage import Storage, transaction
from tornado_router.storage.tables import StoredResponse
from tornado_router.validation.value_count import holds_more

PATIENCE_SECONDS = 5.0
"""So long a client waits at most for its response to be kept."""

UNFINISHED = ("queued", "in_progress")
"""States of a response that is still made in the background."""

MAX_ID = 128
"""Characters of an id."""

MOST_NAMED = 1000
"""Items that one call may name by their ids."""

TIDY_SECONDS = 10.0

_TURN_SECONDS = 0.05
"""Between two transactions that delete what is too old, others write."""


class Origin(NamedTuple):
    """What a call goes on from.

    Attributes:
        call: the call, with all turns before it unless the vendor has them.
        provider: which alone can serve it, as it has the turns before; empty for any.
        param: the parameter that leads there.
    """

    call: Call
    provider: str = ""
    param: str = "previous_response_id"

    def of(self, route: Route) -> Route:
        """Those of a route's targets that have what the call goes on from.

        Raises:
            ApiError: 400, there are none.
        """
        if not self.provider:
            return route
        targets = [target for target in route.targets if target.provider == self.provider]
        if not targets:
            model = printable_name(self.call.model)
            raise Invalid.other_provider_has_it(model=model, param=self.param)
        return route.only(targets)


class StoredResponses:
    """Keeps responses for the users who made them.

    Args:
        storage: where.
        options: `[responses]`.
    """

    def __init__(self, storage: Storage, options: ResponsesOptions) -> None:
        self._storage = storage
        self._options = options
        self._bounds = rows.UserBounds(options.max_per_user, options.max_bytes_per_user)
        self._batches = ResponseBatches(storage, self._bounds)
        self._tidied = time.monotonic()

    def tidy(self) -> None:
        """Has what is too old deleted, now and then, also if none is written. Returns at once."""
        if time.monotonic() >= self._tidied + TIDY_SECONDS:
            self._tidied = time.monotonic()
            start_task("old responses", self._tidy())

    async def _tidy(self) -> None:
        with suppress(DatabaseAwayError):  # later, then
            while await self._storage.run(rows.delete_old):  # noqa: ASYNC110 - it does not poll
                await asyncio.sleep(_TURN_SECONDS)
            await self._storage.run(lambda: rows.fail_dead(_cut_off))

    async def origin(self, call: Call, user_id: int) -> Origin:
        """What a call goes on from: a response, and items that it names by their ids.

        Raises:
            ApiError: 400 or 404, that is not there; 503, the database is away.
        """
        endpoint = ENDPOINTS[call.endpoint]
        previous = _previous(call)
        provider, items = "", list[Mapping[str, Any]]()
        if previous is not None:
            seconds = self._options.keep_seconds
            provider, items = await self._storage.run(lambda: _read(user_id, previous, seconds))
            call = call if provider else endpoint.continued(call, items)
        references = endpoint.references(call)
        if not references:
            return Origin(call, provider)
        return await self._resolved(call, user_id, references, provider, len(items))

    async def _resolved(
        self,
        call: Call,
        user_id: int,
        references: Sequence[Reference],
        provider: str,
        before: int,
    ) -> Origin:
        """The origin of a call that names items by their ids."""
        ids = {reference.item_id for reference in references}
        if len(ids) > MOST_NAMED:
            raise too_long(param="input")
        known = [item_id for item_id in ids if _may_be_known(item_id)]
        seconds = self._options.keep_seconds
        kept = await self._storage.run(lambda: _named(user_id, known, seconds))
        return Origin(*resolved(call, references, kept, provider=provider, before=before))

    async def keep(
        self, call: Call, user_id: int, target: Target, response: Mapping[str, Any], by_vendor: bool
    ) -> None:
        """Keeps a response. Where that fails, the call does not.

        Args:
            call: as its client sent it.
            user_id: whose call it is.
            target: that served it.
            response: whole.
            by_vendor: whether the vendor keeps it.
        """
        new = self._new(call, user_id, target, response, by_vendor)
        if new is None:
            return
        new.item_ids = _item_ids(response)
        try:
            await self._batches.write(new, PATIENCE_SECONDS)
        except (DatabaseAwayError, TimeoutError):
            logger.error("the response to call {} is not kept: the database is away", call.id)

    @property
    def most_events(self) -> int:
        """Bytes of the events that are kept of one response."""
        return self._options.max_bytes

    def prepare(self, call: Call, user_id: int, response: Mapping[str, Any]) -> NewResponse:
        """The row of a response that is made later, which is not written yet.

        Raises:
            ApiError: 400, it cannot be kept.
        """
        new = self._new(call, user_id, Target("", ""), response, False)
        if new is None:
            raise Invalid.invalid_request(
                "'background' needs a response that is stored; the router stores none of this "
                "size, or none at all.",
                param="background",
            )
        new.is_being_made = True
        return new

    async def begin(self, row: NewResponse) -> None:
        """Writes the row of a response that is made later; raises 503, the database is away."""
        await self._batches.write(row)

    def _new(
        self, call: Call, user_id: int, target: Target, response: Mapping[str, Any], by_vendor: bool
    ) -> NewResponse | None:
        """What is written for a response; None if it is not to be kept."""
        response_id = response.get("id")
        if not self._options.keep_seconds or not isinstance(response_id, str):
            return None
        content = None
        if not by_vendor:
            if len(call.raw) > self._options.max_bytes:
                return None  # before it is written, while all other calls wait
            content = _content(call, response)
            if len(content) > self._options.max_bytes:
                return None
        return NewResponse(
            response_id=response_id[:MAX_ID],
            user_id=user_id,
            previous=_previous(call),
            provider=target.provider,
            model=target.model,
            content=content,
            expires_at=rows.after(self._options.keep_seconds),
        )

    async def finish(
        self,
        row: NewResponse,
        call: Call,
        response: Mapping[str, Any],
        events: KeptEvents | None = None,
    ) -> None:
        """Notes how a response came out that was begun; not if it was deleted since.

        Args:
            row: that was begun.
            call: as its client sent it.
            response: as it came out.
            events: of its stream, if it has one.
        """
        ends = rows.Ends(_content(call, response), _item_ids(response))
        if events:
            ends = ends._replace(events=events.pending(), events_size=events.size)
        try:
            await self._storage.run(lambda: rows.finish(row, ends, self._bounds))
        except DatabaseAwayError:
            logger.error("how call {} came out is not kept: the database is away", call.id)

    async def add_events(self, events: Mapping[int, Events]) -> None:
        """Writes events of responses that are still made, by their rows.

        Raises:
            ApiError: 503, the database is away.
        """
        await self._storage.run(lambda: rows.add_events(events))

    async def events(self, row: StoredResponse, after: int) -> Sequence[Events]:
        """The events of a response behind one; a few before that may be among them.

        Args:
            row: of the response.
            after: the number of the event; -1 for all.

        Raises:
            ApiError: 503, the database is away.
        """
        return await self._storage.run(lambda: event_rows.read(row.id, after))

    async def find(self, response_id: str, user_id: int) -> StoredResponse:
        """A response of a user.

        Raises:
            ApiError: 404; 503, the database is away.
        """
        return await self._storage.run(lambda: rows.find(response_id, user_id))

    async def delete(self, row: StoredResponse) -> None:
        """Deletes a response.

        Raises:
            ApiError: 503, the database is away.
        """
        await self._storage.run(lambda: rows.delete(row))

    async def cancel(self, row: StoredResponse) -> None:
        """Has the process that makes a response end it soon, whichever that is.

        Raises:
            ApiError: 503, the database is away.
        """
        await self._storage.run(lambda: rows.cancel(row))

    async def wanted(self, ids: Sequence[int]) -> set[int]:
        """Which of some rows that are made here are there, and not cancelled.

        Raises:
            ApiError: 503, the database is away.
        """
        return await self._storage.run(lambda: rows.wanted(ids))

    async def note_alive(self, ids: Sequence[int]) -> None:
        """Says of some rows that they are still made.

        Raises:
            ApiError: 503, the database is away.
        """
        await self._storage.run(lambda: rows.note_alive(ids))


def content_of(row: StoredResponse) -> Mapping[str, Any]:
    """The `input` and the `response` that a row holds, which is not a vendor's.

    With `events`, those of its stream are kept, too.
    """
    content: Mapping[str, Any] = load_json(str(row.content).encode())
    return content


def failed(response: Mapping[str, Any], code: str, message: str) -> dict[str, Any]:
    """A response that was begun, and failed."""
    return {**response, "status": "failed", "error": {"code": code, "message": message}}


def stopped(response: Mapping[str, Any]) -> dict[str, Any]:
    """A response that was begun, and whose router stopped."""
    return failed(response, "server_error", "The router stopped before it was done.")


def _content(call: Call, response: Mapping[str, Any]) -> str:
    """What a row holds of a response that no vendor keeps."""
    items = ENDPOINTS[call.endpoint].items(call)
    content: dict[str, Any] = {"input": items, "response": response}
    if call.stream and response.get("background"):
        content["events"] = True
    return write_json(content).decode()


def _cut_off(content: str) -> str:
    """What a row holds of a response whose process was cut off."""
    kept = load_json(content.encode())
    return write_json({**kept, "response": stopped(kept["response"])}).decode()


def _previous(call: Call) -> str | None:
    """The id of the response that a call goes on from, or None.

    Raises:
        ApiError: 400, no response has it, and not every database could look for it.
    """
    previous = ENDPOINTS[call.endpoint].previous(call)
    if previous is not None and not _may_be_known(previous):
        raise Invalid.previous_response_not_found(id=previous[:100])
    return previous


def _read(user_id: int, response_id: str, seconds: float) -> tuple[str, list[Mapping[str, Any]]]:
    """What a call goes on from: the provider that has it, or else all of its items."""
    found = rows.conversation(user_id, response_id, seconds)
    if found[0].content is None:
        return found[0].provider, []
    turns = [content_of(row) for row in reversed(found)]
    if turns[-1]["response"].get("status") in UNFINISHED:
        raise Invalid.previous_response_unfinished(id=response_id[:100])
    items = [item for turn in turns for item in (*turn["input"], *turn["response"]["output"])]
    if holds_more(write_json(items), rows.MAX_VALUES):
        raise too_long()
    return "", items


def _named(user_id: int, item_ids: Sequence[str], seconds: float) -> dict[str, KeptItem]:
    """What is known of items that a call names, by their ids.

    Raises:
        ApiError: 400, they are too much for one request.
    """
    found = item_rows.find(user_id, item_ids)
    kept = dict.fromkeys(found.others, KeptItem(is_own=False))
    ids_of = dict[int, set[str]]()
    for item_id, stored_id in found.own.items():
        ids_of.setdefault(stored_id, set()).add(item_id)
    size, items = 0, list[Any]()
    with transaction():
        for row in item_rows.responses(list(ids_of), rows.after(seconds)):
            if row.content is None:
                kept |= dict.fromkeys(ids_of[row.id], KeptItem(row.provider))
                continue
            size += len(row.content)
            if size > rows.MAX_BYTES:
                raise too_long(param="input")
            output = content_of(row)["response"]["output"]
            named = [item for item in output if item.get("id") in ids_of[row.id]]
            kept |= {item["id"]: KeptItem(item=item) for item in named}
            items += named
    if holds_more(write_json(items), rows.MAX_VALUES):
        raise too_long(param="input")
    return kept


def _item_ids(response: Mapping[str, Any]) -> list[str]:
    """The ids of the items of a response, as far as the database takes them."""
    ids = [item.get("id") for item in response.get("output") or () if isinstance(item, Mapping)]
    return [item_id for item_id in ids if isinstance(item_id, str) and _may_be_known(item_id)]


def _may_be_known(found: str) -> bool:
    """Whether every database could look for an id."""
    return len(found) <= MAX_ID and "\0" not in found
