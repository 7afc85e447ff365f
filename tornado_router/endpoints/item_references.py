"""Items of an `input` that are named by an id; the vendor or the router has the rest of them.

That is an `item_reference`, and an item with an id alone. A `reasoning` item whose thoughts are
neither readable nor encrypted is one in effect: the vendor that made it looks them up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from tornado_router.endpoints.makers_marks import is_only_mark, marked_by_id
from tornado_router.error_codes import Invalid
from tornado_router.provider import Call, replace_fields

ENCRYPTED_THOUGHTS = "reasoning.encrypted_content"
"""Of `include`: thoughts come in a form that only their maker reads, and are sent again so."""


class Reference(NamedTuple):
    """An item that is named by an id.

    Attributes:
        place: of the item in `input`, from 0.
        item_id: its id.
        is_needed: whether it stands for a part of the conversation, which cannot go on without it.
    """

    place: int
    item_id: str
    is_needed: bool


class KeptItem(NamedTuple):
    """What is known of an item that is named by an id.

    Attributes:
        provider: that keeps it; empty for the router itself.
        item: that the router keeps; None if it does not.
        is_own: whether it is of the user whose call it is: it is not shown to any other.
    """

    provider: str = ""
    item: Mapping[str, Any] | None = None
    is_own: bool = True


class Resolved(NamedTuple):
    """A call whose items are there, or at one provider.

    Attributes:
        call: the call.
        provider: which alone can serve it; empty for any.
        param: the parameter that leads there.
    """

    call: Call
    provider: str
    param: str


def is_reference(item: Mapping[str, Any]) -> bool:
    """Whether an item is a reference to another, and nothing else."""
    kind = item.get("type")
    return kind == "item_reference" or (kind is None and "role" not in item)


def references_in(items: Sequence[Mapping[str, Any]]) -> list[Reference]:
    """Those of some items that are named by an id."""
    found = []
    for index, item in enumerate(items):
        is_needed = is_reference(item)
        if is_needed or (item.get("type") == "reasoning" and is_bare(item)):
            item_id = item.get("id")
            if isinstance(item_id, str):
                found.append(Reference(index, item_id, is_needed))
    return found


def resolved(
    call: Call,
    references: Sequence[Reference],
    kept: Mapping[str, KeptItem],
    *,
    provider: str,
    before: int,
) -> Resolved:
    """A call with the items that the router keeps, and otherwise led to who does.

    Thoughts of a provider that does not serve the call are left out there, by their mark.

    Args:
        call: with all items of its conversation.
        references: those of them that are named by an id; at least one.
        kept: what is known of them, by their ids.
        provider: which alone can serve the call anyway; empty for any.
        before: how many of the items are not the client's, but of earlier turns.

    Raises:
        ApiError: 404, an item is not there, or not where the others are; 400, it is there twice.
    """
    items: list[Mapping[str, Any] | None] = list(call.body["input"])
    param, named = "previous_response_id", set[str]()
    for index, item_id, is_needed in references:
        its_param = f"input[{index - before}].id" if index >= before else "previous_response_id"
        if item_id in named:
            if not is_needed:
                continue
            raise Invalid.duplicate_item(id=item_id[:100], param=its_param)
        named.add(item_id)
        found = kept.get(item_id)
        if found is None or not found.is_own:
            if is_needed:
                raise Invalid.item_not_found(id=item_id[:100], param=its_param)
            if found is not None:
                items[index] = None
        elif found.item is not None:
            items[index] = {name: found.item[name] for name in found.item if name != "id"}
        elif not is_needed:
            items[index] = marked_by_id(items[index] or {}, found.provider)
        elif provider and provider != found.provider:
            raise Invalid.item_elsewhere(id=item_id[:100], param=its_param)
        elif not provider:
            provider, param = found.provider, its_param
    return Resolved(_with_items(call, items, before), provider, param)


def _with_items(call: Call, items: Sequence[Mapping[str, Any] | None], before: int) -> Call:
    """A call with other items; those that are None are left out."""
    dropped = [f"input[{index - before}]" for index, item in enumerate(items) if item is None]
    left = [item for item in items if item is not None]
    raw = replace_fields(call.raw, {"input": left})
    body = {**call.body, "input": left}
    return replace(call, body=body, raw=raw, dropped=[*call.dropped, *dropped])


def is_bare(item: Mapping[str, Any]) -> bool:
    """Whether a `reasoning` item has no thoughts, neither readable nor encrypted."""
    encrypted = item.get("encrypted_content")
    return not item.get("content") and (not encrypted or is_only_mark(encrypted))
