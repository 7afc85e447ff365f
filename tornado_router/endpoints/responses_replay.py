"""A finished response as the events of its stream, for clients that come back for it.

Each text is one delta: how it once was cut is not kept. So the events of a response are the same
whenever they are asked for, and a client that was cut off goes on behind the last that it has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tornado_router import sse
from tornado_router.endpoints.openai_format import written

Event = dict[str, Any]

_CALLS: Mapping[str, tuple[str, str]] = {
    "function_call": ("response.function_call_arguments", "arguments"),
    "custom_tool_call": ("response.custom_tool_call_input", "input"),
    "mcp_call": ("response.mcp_call_arguments", "arguments"),
}
"""Items whose text is streamed: how their events begin, and the field that has the text."""

_PARTS: Mapping[str, tuple[str, str]] = {
    "output_text": ("response.output_text", "text"),
    "refusal": ("response.refusal", "refusal"),
    "reasoning_text": ("response.reasoning_text", "text"),
}
"""The same of the parts of an item's content."""

_SUMMARY = "response.reasoning_summary"
_LAST = {"completed": "completed", "failed": "failed"}
"""The last event by the status; any other response is not whole."""

IN_PROGRESS = "in_progress"


def begin_events(response: Mapping[str, Any]) -> Iterator[Event]:
    """The events before all items, which a response has before it is made, too."""
    begun = {**response, "status": IN_PROGRESS, "output": [], "usage": None, "error": None}
    begun |= {name: None for name in ("incomplete_details", "completed_at") if name in response}
    for number, kind in enumerate(("response.created", "response.in_progress")):
        yield {"type": kind, "response": begun, "sequence_number": number}


def all_events(response: Mapping[str, Any]) -> Iterator[Event]:
    """The events of a response that is finished.

    Args:
        response: with its items.
    """
    number = 0
    for event in begin_events(response):
        yield event
        number += 1
    for index, item in enumerate(response["output"]):
        for event in _item_events(item):
            yield {**event, "output_index": index, "sequence_number": number}
            number += 1
    yield last_event(response, number)


def last_event(response: Mapping[str, Any], number: int) -> Event:
    """The event with which the stream of a response ends."""
    kind = f"response.{_LAST.get(response['status'], 'incomplete')}"
    return {"type": kind, "response": response, "sequence_number": number}


def events_behind(events: Iterator[Event], number: int) -> Iterator[Event]:
    """Those events that come behind one, and the last in any case: it has the whole response.

    Args:
        events: some.
        number: of the last that the client has; -1 for none.
    """
    last: Event | None = None
    for event in events:
        last = event
        if event["sequence_number"] > number:
            yield event
            last = None
    if last is not None:
        yield last


def framed(event: Event) -> bytes:
    """An event as the client gets it."""
    kind: str = event["type"]
    return b"event: " + kind.encode() + b"\n" + sse.encode(written(event))


def _item_events(item: Mapping[str, Any]) -> Iterator[Event]:
    """The events of an item, without their places in the response."""
    kind, item_id = item.get("type"), item.get("id")
    begun = dict(item)
    if "status" in item:
        begun["status"] = IN_PROGRESS
    for field in ("content", "summary"):
        if isinstance(item.get(field), list):
            begun[field] = []
    call = _CALLS.get(kind) if isinstance(kind, str) else None
    if call:
        begun[call[1]] = ""
    yield {"type": "response.output_item.added", "item": begun}
    if call:
        yield from _texts(call[0], call[1], item.get(call[1]), {"item_id": item_id})
    for index, part in enumerate(_list(item.get("summary"))):
        at = {"item_id": item_id, "summary_index": index}
        yield {"type": f"{_SUMMARY}_part.added", **at, "part": {**part, "text": ""}}
        yield from _texts(f"{_SUMMARY}_text", "text", part.get("text"), at)
        yield {"type": f"{_SUMMARY}_part.done", **at, "part": part}
    for index, part in enumerate(_list(item.get("content"))):
        yield from _part_events(part, {"item_id": item_id, "content_index": index})
    yield {"type": "response.output_item.done", "item": item}


def _part_events(part: Mapping[str, Any], at: Event) -> Iterator[Event]:
    known = _PARTS.get(str(part.get("type")))
    if known is None:
        return
    begin, field = known
    empty = {**part, field: ""}
    more: Event = {}
    if field == "text" and "annotations" in part:
        empty["annotations"] = []
        more["logprobs"] = part.get("logprobs") or []
    yield {"type": "response.content_part.added", **at, "part": empty}
    yield from _texts(begin, field, part.get(field), {**at, **more})
    for index, annotation in enumerate(_list(part.get("annotations"))):
        kind = "response.output_text.annotation.added"
        yield {"type": kind, **at, "annotation_index": index, "annotation": annotation}
    yield {"type": "response.content_part.done", **at, "part": part}


def _texts(begin: str, field: str, text: object, at: Event) -> Iterator[Event]:
    """A text in one piece, and its end."""
    text = text if isinstance(text, str) else ""
    if text:
        yield {"type": f"{begin}.delta", **at, "delta": text}
    yield {"type": f"{begin}.done", **at, field: text}


def _list(value: object) -> Sequence[Any]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else ()
