"""Marks in what only its maker can read: whose account encrypted an `encrypted_content`.

A vendor refuses what another account encrypted, with a 400 for the whole request. So what comes
from a provider gets a mark of it, in front, as a client that has no state here brings it back:
days later, to another worker, when the model has other targets. On its way to its maker the mark is
taken away; other providers get none of it. All other bytes stay as they were sent.

Inside of a text of JSON every quote is escaped, so a pattern that begins with the bare quotes of
the field's name finds fields alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

from tornado_router.provider import (
    Binary,
    Body,
    Call,
    Relayed,
    load_json,
    replace_fields,
    write_json,
)

_FIELD = b'"encrypted_content"'
_UNMARKED = re.compile(_FIELD + rb'\s*:\s*"(?=[^"])')
_MARKED = re.compile(rb'("encrypted_content"\s*:\s*")tr1\.([0-9a-f]{12})\.')
_MARK = re.compile(r"tr1\.([0-9a-f]{12})\.")
_BY_ID = re.compile(rb',"encrypted_content":"tr1\.[0-9a-f]{12}\."')
"""As `marked_by_id` has it written, behind all other fields of an item."""

_BEGIN = b"tr1."
_KNOWN_PROVIDERS = 1000

_MAY_GO = frozenset(("reasoning", "agent_message"))
"""Types of items that a conversation goes on without; others stand for a part of it."""


class Makers(NamedTuple):
    """Whose marks a call has.

    Attributes:
        newest: the mark of the newest item; empty if there is none.
        needed: the mark of an item that stands for a part of the conversation, such as one that was
            compacted: only its maker can serve the call. Empty if there is none.
    """

    newest: str = ""
    needed: str = ""


NONE = Makers()


@lru_cache(_KNOWN_PROVIDERS)
def mark_of(provider: str) -> str:
    """The mark of a provider, by its name in router.toml."""
    return sha256(provider.encode("utf-8", "replace")).hexdigest()[:12]


def marked(body: Body, provider: str) -> Body:
    """A response of a provider, or an event of one, with its mark in all that only it can read.

    Args:
        body: the response.
        provider: by its name in router.toml; empty for none, which has no mark.
    """
    if not provider or isinstance(body, Binary):
        return body
    raw = body.raw if isinstance(body, Relayed) else write_json(body)
    if _FIELD not in raw:
        return body
    mark = _BEGIN + mark_of(provider).encode() + b"."
    written = _UNMARKED.sub(lambda found: found[0] + mark, raw)
    return body if written == raw else Relayed(load_json(written), written)


def marked_by_id(item: Mapping[str, Any], provider: str) -> dict[str, Any]:
    """An item without content, which its maker knows by its id, with the mark of the maker.

    It goes where encrypted content would; to its maker, the field goes altogether.
    """
    known = {name: item[name] for name in item if name != "encrypted_content"}
    return {**known, "encrypted_content": f"tr1.{mark_of(provider)}."}


def is_only_mark(encrypted: object) -> bool:
    """Whether an `encrypted_content` has a mark, and nothing else."""
    return isinstance(encrypted, str) and _MARK.fullmatch(encrypted) is not None


def makers_of(call: Call) -> Makers:
    """Whose marks a call has among the items of its `input`."""
    if _BEGIN not in call.raw:
        return NONE
    newest = needed = ""
    for item in _items(call.body):
        mark = _mark_in(item)
        if mark:
            newest = mark
            if item.get("type") not in _MAY_GO:
                needed = mark
    return Makers(newest, needed)


def unmarked(call: Call, provider: str) -> Call:
    """A call as a provider gets it: without marks, and without what others made.

    What is left out is among its `dropped`.
    """
    if _BEGIN not in call.raw or not _MARKED.search(call.raw):
        return call
    own, items = mark_of(provider), _items(call.body)
    others = [index for index, item in enumerate(items) if _mark_in(item) not in ("", own)]
    raw = call.raw
    if others:
        kept = [item for index, item in enumerate(items) if index not in others]
        raw = replace_fields(raw, {"input": kept})
    raw = _MARKED.sub(rb"\1", _BY_ID.sub(b"", raw))
    dropped = [*call.dropped, *(f"input[{index}]" for index in others)]
    return replace(call, body=load_json(raw), raw=raw, dropped=dropped)


def _items(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    items = body.get("input")
    return items if isinstance(items, list) else []


def _mark_in(item: Mapping[str, Any]) -> str:
    """The mark in an item or in a part of it; empty if there is none."""
    content = item.get("content")
    for part in (item, *(content if isinstance(content, list) else ())):
        value = part.get("encrypted_content") if isinstance(part, Mapping) else None
        found = _MARK.match(value) if isinstance(value, str) else None
        if found:
            return found[1]
    return ""
