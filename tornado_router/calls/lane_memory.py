"""What a websocket remembers of its responses that are kept nowhere (`store: false`).

Of each lane that is the newest, with the conversation before it. It lies in memory alone, ends with
the websocket, and takes no more of it than there is room for: what is not remembered has to be sent
again, as clients do when they learn that `previous_response_not_found`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from tornado_router.background.held_memory import Hold
from tornado_router.endpoints import RESPONSES
from tornado_router.endpoints.base import LARGE_BODY
from tornado_router.endpoints.item_references import ENCRYPTED_THOUGHTS, is_bare
from tornado_router.provider import Call, dump_json, load_json, replace_fields, write_json

MOST_BYTES = LARGE_BODY
"""Of all conversations of one websocket."""


class _Remembered(NamedTuple):
    """A conversation up to a response.

    Attributes:
        response_id: of the response.
        items: of all turns since `previous`, as JSON.
        previous: the id of a response that is kept, from which they go on; None for none.
        has_lost: whether it had thoughts that could not be remembered.
    """

    response_id: str
    items: bytes
    previous: str | None
    has_lost: bool


class LaneMemory:
    """The conversations of one websocket.

    Args:
        hold: counts what they hold.
    """

    def __init__(self, hold: Hold) -> None:
        self._hold = hold
        self._lanes: dict[str | None, _Remembered] = {}
        self._size = 0

    def continued(self, call: Call) -> Call:
        """A call with what was said before it, as far as that is remembered here.

        It asks for thoughts in a form that can be remembered, if its model is known to think.
        """
        previous = RESPONSES.previous(call)
        if previous is None:
            return _with_thoughts(call)
        found = next((it for it in self._lanes.values() if it.response_id == previous), None)
        if found is None:
            return _with_thoughts(call)
        call = RESPONSES.continued(_with_thoughts(call, found.has_lost), load_json(found.items))
        if found.previous is None:
            return call
        body = {**call.body, "previous_response_id": found.previous}
        return replace(call, body=body, raw=dump_json(body))

    def remember(self, lane: str | None, call: Call, response: Mapping[str, Any]) -> None:
        """A response is there, in the place of the one before in its lane.

        Args:
            lane: in which it was made.
            call: as `continued`.
            response: that ended well.
        """
        self.forget(lane)
        response_id, output = response.get("id"), response.get("output")
        if not isinstance(response_id, str) or not isinstance(output, list):
            return
        kept = [item for item in (*RESPONSES.items(call), *output) if not _is_lost(item)]
        items = write_json(kept)
        if self._size + len(items) > MOST_BYTES or not self._hold.grow(len(items)):
            return
        self._size += len(items)
        has_lost = any(map(_is_lost, output))
        self._lanes[lane] = _Remembered(response_id, items, RESPONSES.previous(call), has_lost)

    def forget(self, lane: str | None) -> None:
        """The newest response of a lane is another, or is kept elsewhere."""
        before = self._lanes.pop(lane, None)
        if before is not None:
            self._size -= len(before.items)
            self._hold.shrink(len(before.items))


def _with_thoughts(call: Call, thinks: bool = False) -> Call:
    """A call that has its vendor show thoughts encrypted, if they are not kept there.

    Models that do not think refuse to be asked for that, and efforts of reasoning, too.

    Args:
        call: as its client sent it.
        thinks: whether its model is known to think, also if the call says nothing of it.
    """
    include = call.body.get("include") or []
    if RESPONSES.is_kept(call) or ENCRYPTED_THOUGHTS in include:
        return call
    if not thinks and not call.body.get("reasoning"):
        return call
    fields = {"include": [*include, ENCRYPTED_THOUGHTS]}
    return replace(call, body={**call.body, **fields}, raw=replace_fields(call.raw, fields))


def _is_lost(item: object) -> bool:
    """Whether an item is thoughts that its vendor alone has, and did not keep."""
    return not isinstance(item, Mapping) or (item.get("type") == "reasoning" and is_bare(item))
