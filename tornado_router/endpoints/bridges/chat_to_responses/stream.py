"""The events of a response as chunks of a chat completion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tornado_router.endpoints.bridges.chat_to_responses.kept import keep_items, kept_item
from tornado_router.endpoints.bridges.chat_to_responses.response import (
    GAP,
    citation_of,
    finish_reason,
    head,
    is_tool_call,
    logprobs_body,
    refusals_of,
    thoughts_of,
    tool_call_of,
    usage_of,
)
from tornado_router.error_codes import Failure
from tornado_router.provider import Body, Call, Relayed

Chunk = dict[str, Any]


class _Item:
    """An item of the output that has begun.

    Attributes:
        call: the index of its tool call; None if it is none.
        sent: characters of it that the client has.
    """

    __slots__ = ("call", "sent")

    def __init__(self) -> None:
        self.call: int | None = None
        self.sent = 0


class CompletionStream:
    """Makes the chunks of one chat completion (`BridgedStream`).

    Copies of the API leave out events, so what a later one has in full is sent if it was not.

    Args:
        call: as the client sent it; keeps the reasoning that led to tools.

    Attributes:
        complete: whether the response has ended.
    """

    def __init__(self, call: Call) -> None:
        self.complete = False
        self._call = call
        self._head: dict[str, Any] | None = None
        self._items: dict[object, _Item] = {}  # by their places; None where events have none
        self._ids: set[object] = set()  # of them
        self._calls = 0
        self._kept: list[dict[str, Any]] = []
        self._gap = self._thought_gap = ""
        self._has_text = False
        self._thoughts = ""  # the kind of events that have them
        self._chunks: list[Chunk] = []

    def feed(self, chunk: Body) -> Iterable[Body]:
        """The chunks that an event amounts to.

        Raises:
            ProviderError: it is not an event of a response, or the response failed.
        """
        body: Any = chunk.body if isinstance(chunk, Relayed) else chunk
        self._chunks = []
        try:
            handle = _HANDLERS.get(body["type"])
            if handle is not None and not self.complete:
                handle(self, body)
        except (AttributeError, KeyError, IndexError, TypeError):
            raise Failure.unreadable_response() from None
        return self._chunks

    def finish(self) -> Iterable[Body]:
        """Nothing is held back."""
        return ()

    def _begin(self, event: Mapping[str, Any]) -> None:
        if self._head is None:
            response = event.get("response") or {}
            self._head = {**head(self._call, response), "object": "chat.completion.chunk"}
            self._say({"role": "assistant", "content": None})

    def _say(self, delta: dict[str, Any], logprobs: Any = None, reason: str | None = None) -> None:
        if self._head is None:
            self._begin({})
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        self._chunks.append({**self._head, "choices": [choice]})  # type: ignore[dict-item]

    def _item(self, event: Mapping[str, Any]) -> _Item:
        index = event.get("output_index")
        item = self._items.get(index)
        if item is None:
            item = self._items[index] = _Item()
            self._ids.add(event.get("item_id"))
        return item

    def _has(self, item: Mapping[str, Any]) -> bool:
        """Whether an item has begun: copies of the API leave out places, or count otherwise."""
        item_id = item.get("id")
        return None in self._items if item_id is None else item_id in self._ids

    def _text(self, event: Mapping[str, Any]) -> None:
        text = event["delta"]
        if text:
            self._item(event).sent += len(text)
            self._has_text = True
            if self._gap:
                text, self._gap = self._gap + text, ""
            self._say({"content": text}, logprobs_body(event.get("logprobs") or []))

    def _refusal(self, event: Mapping[str, Any]) -> None:
        self._item(event).sent += len(event["delta"])
        self._say({"refusal": event["delta"]})

    def _thought(self, event: Mapping[str, Any]) -> None:
        """Thoughts; of the two kinds that a model may give, the one that comes first."""
        kind = event["type"]
        self._thoughts = self._thoughts or kind
        if event["delta"] and kind == self._thoughts:
            self._think(event["delta"])
            self._item(event).sent += 1

    def _think(self, text: str) -> None:
        self._say({"reasoning_content": self._thought_gap + text})
        self._thought_gap = ""

    def _part_added(self, event: Mapping[str, Any]) -> None:
        if self._item(event).sent:
            self._thought_gap = GAP

    def _citation(self, event: Mapping[str, Any]) -> None:
        made = citation_of(event["annotation"])
        if made:
            self._say({"annotations": [made]})

    def _arguments(self, event: Mapping[str, Any]) -> None:
        item = self._item(event)
        if event["delta"] and item.call is not None:
            item.sent += len(event["delta"])
            kind = "custom" if "custom" in event["type"] else "function"
            self._add_arguments(item.call, kind, event["delta"])

    def _add_arguments(self, index: int, kind: str, text: str) -> None:
        field = {"arguments": text} if kind == "function" else {"input": text}
        self._say({"tool_calls": [{"index": index, kind: field}]})

    def _added(self, event: Mapping[str, Any]) -> None:
        """An item begins."""
        if event.get("output_index") is None:
            self._items.pop(None, None)
        made, item = self._item(event), event["item"]
        kind = item["type"]
        self._ids.add(item.get("id"))
        if kind == "message":
            self._gap = GAP if self._has_text else ""
        elif kind == "reasoning":
            self._thought_gap = GAP if self._thoughts else ""
        elif is_tool_call(item):
            made.call, self._calls = self._calls, self._calls + 1
            tool_call = tool_call_of({**item, "arguments": "", "input": ""})
            if self._kept:
                keep_items(self._call, tool_call["id"], self._kept)
                self._kept = []
            self._say({"tool_calls": [{"index": made.call, **tool_call}]})

    def _done(self, event: Mapping[str, Any]) -> None:
        """An item is whole."""
        index, item = event.get("output_index"), event["item"]
        if not (self._has(item) if index is None else index in self._items):
            self._added(event)
        made = self._item(event)
        kind = item["type"]
        if kind == "reasoning":
            kept = kept_item(item)
            self._kept += [kept] if kept else []
            if not made.sent:
                for text in thoughts_of(item):
                    self._think(text)
                    self._thoughts, self._thought_gap = self._thoughts or kind, GAP
        elif kind == "message" and not made.sent:
            self._whole_message(event, item)
        elif made.call is not None:
            function = tool_call_of(item)
            text = function[function["type"]].get(
                "arguments" if kind == "function_call" else "input"
            )
            if len(text) > made.sent:
                self._add_arguments(made.call, function["type"], text[made.sent :])
                made.sent = len(text)

    def _whole_message(self, event: Mapping[str, Any], item: Mapping[str, Any]) -> None:
        for part in item.get("content") or ():
            if part.get("type") == "output_text":
                self._text({**event, "delta": part["text"], "logprobs": part.get("logprobs")})
        for text in refusals_of(item):
            self._say({"refusal": text})

    def _end(self, event: Mapping[str, Any]) -> None:
        """The response is over: what of it did not come in events, why it ended, and its usage."""
        response = event["response"]
        for index, item in enumerate(response.get("output") or ()):
            if index not in self._items and not self._has(item):
                self._done({"output_index": index, "item": item})
        self._say({}, reason=finish_reason(response, calls=self._calls > 0))
        usage = usage_of(response)
        if usage is not None:
            assert self._head is not None, "something was said"
            self._chunks.append({**self._head, "choices": [], "usage": usage})
        self.complete = True

    def _fail(self, _: Mapping[str, Any]) -> None:
        raise Failure.unreadable_response()


_HANDLERS: Mapping[str, Callable[[CompletionStream, Mapping[str, Any]], None]] = {
    "response.created": CompletionStream._begin,
    "response.output_text.delta": CompletionStream._text,
    "response.output_text.annotation.added": CompletionStream._citation,
    "response.refusal.delta": CompletionStream._refusal,
    "response.reasoning_summary_part.added": CompletionStream._part_added,
    "response.reasoning_summary_text.delta": CompletionStream._thought,
    "response.reasoning_text.delta": CompletionStream._thought,
    "response.function_call_arguments.delta": CompletionStream._arguments,
    "response.custom_tool_call_input.delta": CompletionStream._arguments,
    "response.output_item.added": CompletionStream._added,
    "response.output_item.done": CompletionStream._done,
    "response.completed": CompletionStream._end,
    "response.incomplete": CompletionStream._end,
    "response.failed": CompletionStream._fail,
}
"""What is done about an event; all others say nothing new."""
