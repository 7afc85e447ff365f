"""A stream of chunks as the events of a response; a whole chat completion is one such chunk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tornado_router.endpoints.bridges.responses_to_chat.output import (
    Events,
    Item,
    Message,
    Reasoning,
    ToolCall,
)
from tornado_router.endpoints.bridges.responses_to_chat.request import LOGPROBS, STATE
from tornado_router.endpoints.bridges.responses_to_chat.response import (
    base_id,
    citations,
    ended,
    logprobs_of,
    outline,
    reasoning_of,
    texts_of,
    usage_of,
)
from tornado_router.endpoints.bridges.responses_to_chat.state import seal
from tornado_router.endpoints.bridges.responses_to_chat.tools import Tools
from tornado_router.endpoints.responses import RESPONSES
from tornado_router.provider import Body, Call, Relayed, write_json

_NONE: list[dict[str, Any]] = []


class ResponseStream:
    """Translates one stream.

    Items come one after the other, as the vendor's own do. Only calls whose arguments arrive in
    turns are open at the same time.

    What a provider keeps for the tool calls is known for sure only once the last of them has come.
    So state is an item of its own, at the end: none before has to wait for it, and clients that
    keep items in the order in which they end have it behind the calls, where it is read as well.

    Args:
        call: as the client sent it.

    Attributes:
        complete: whether the vendor has ended the choice.
    """

    def __init__(self, call: Call) -> None:
        self.complete = False
        include = call.body.get("include") or ()
        self._call = call
        self._base_id = base_id(call)
        self._gives_state = STATE in include
        self._gives_logprobs = LOGPROBS in include or bool(call.body.get("top_logprobs"))
        self._response: dict[str, Any] | None = None
        self._output: dict[int, dict[str, Any]] = {}
        self._count = 0  # of items that were begun
        self._open: Message | Reasoning | None = None
        self._calls: dict[int, _Call] = {}
        self._fed: dict[int, _Call] = {}  # those that may be whole by now
        self._tools: Tools | None = None
        self._used_ids: set[Any] = set()
        self._new_ids: dict[str, str] = {}
        self._kept: dict[str, Any] = {}
        self._usage: dict[str, Any] | None = None
        self._reason: object = None
        self._is_over = False

    def feed(self, chunk: Body) -> Events:
        """The events that a chunk amounts to."""
        body: Mapping[str, Any] = chunk.body if isinstance(chunk, Relayed) else chunk  # type: ignore[assignment]
        events: Events = []
        if self._is_over:
            return events
        if self._response is None:
            self._begin(body, events)
        choices = body.get("choices")
        for choice in choices if isinstance(choices, list | tuple) else ():
            if isinstance(choice, Mapping) and not choice.get("index"):
                self._read(choice, events)
        if self._call.kept:
            self._take_kept()
        if body.get("usage"):  # some vendors count in each chunk: only the last says it all
            self._usage = usage_of(body["usage"]) or self._usage
            if self.complete and self._usage is not None and not choices:
                self._end(events)
        return events

    def finish(self) -> Events:
        """The end of a response whose vendor reported no usage, or no finish reason."""
        events: Events = []
        if self._response is not None and not self._is_over:
            self._take_kept()
            self._end(events)
        return events

    def _begin(self, body: Mapping[str, Any], events: Events) -> None:
        response = self._response = outline(self._call, body)
        events += (
            {"type": "response.created", "response": response},
            {"type": "response.in_progress", "response": response},
        )

    def _read(self, choice: Mapping[str, Any], events: Events) -> None:
        delta = choice.get("delta") or choice.get("message")
        if isinstance(delta, Mapping):
            content = delta.get("content")
            if content and type(content) is str and len(delta) == 1 and not self._gives_logprobs:
                self._message(events).text(content, _NONE, events)  # as most are
            else:
                self._read_all(delta, choice, events)
        reason = choice.get("finish_reason")
        if reason:  # some vendors send an empty one until the end
            self._reason, self.complete = reason, True

    def _read_all(
        self, delta: Mapping[str, Any], choice: Mapping[str, Any], events: Events
    ) -> None:
        (field, reasoning), refusal = reasoning_of(delta), delta.get("refusal")
        if reasoning:
            item = self._reasoning(events)
            item.field = field
            item.think(reasoning, events)
        logprobs = logprobs_of(choice.get("logprobs")) if self._gives_logprobs else _NONE
        for kind, text in texts_of(delta.get("content")):
            if kind == "text":
                self._message(events).text(text, logprobs, events)
                logprobs = _NONE
            else:
                self._reasoning(events).think(text, events)
        if refusal and isinstance(refusal, str):
            self._message(events).refuse(refusal, events)
        if delta.get("annotations"):
            made = citations(delta["annotations"])
            if made:
                self._message(events).cite(made, events)
        calls = delta.get("tool_calls")
        for position, call in enumerate(calls if isinstance(calls, list | tuple) else ()):
            if isinstance(call, Mapping):
                self._read_call(call, position, events)

    def _read_call(self, part: Mapping[str, Any], position: int, events: Events) -> None:
        """Some more of a tool call: of one that is known by its index, or of a new one."""
        given, call_id, function = part.get("index"), part.get("id"), part.get("function")
        index = given if isinstance(given, int) else position
        name = function.get("name") if isinstance(function, Mapping) else None
        arguments = function.get("arguments") if isinstance(function, Mapping) else None
        call = self._calls.get(index)
        if call is None or (name and call_id and call.id and call_id != call.id):
            # Some vendors give each call of a response the same index.
            if call is not None:
                self._end_call(index, "completed", events)
            call = self._calls[index] = _Call()
        if call_id and isinstance(call_id, str):
            call.id = call.id or call_id
        if isinstance(arguments, Mapping):  # of some vendors, which send the object
            arguments = write_json(arguments).decode()
        if arguments and isinstance(arguments, str):
            call.pieces.append(arguments)
            self._fed[index] = call
        if call.item is None and name and isinstance(name, str):
            self._begin_call(call, name, events)
        elif call.item is not None:
            call.send(events)

    def _begin_call(self, call: _Call, name: str, events: Events) -> None:
        """Begins the item of a call, once its name is known; calls that are whole end."""
        self._end_text("completed", events)
        fed, self._fed = self._fed, {}
        for index, other in fed.items():
            if other.item is None:
                self._fed[index] = other
            elif self._calls.get(index) is other and other.item.is_whole():
                self._end_call(index, "completed", events)
        if self._tools is None:
            self._tools = Tools(self._call.body)
            self._used_ids = set(RESPONSES.tool_call_ids(self._call))
        tool, own_id = self._tools.tool(name), self._own_id(call.id)
        call.item = ToolCall(tool, own_id, self._count, self._base_id)
        self._count += 1
        call.item.begin(events)
        call.send(events)

    def _own_id(self, vendors: str) -> str:
        """The id of a call: the vendor's, unless there is none, or another call has it.

        Some vendors number their calls anew in each response, or name them by their functions.
        Clients take a call whose id they know for one that has been run.
        """
        if vendors and vendors not in self._used_ids:
            self._used_ids.add(vendors)
            self._new_ids[vendors] = vendors
            return vendors
        own = f"call_{self._base_id}_{self._count}"
        if vendors:
            self._new_ids.setdefault(vendors, own)  # what is kept is of the first call
        return own

    def _take_kept(self) -> None:
        """Notes what the provider has kept, for the ids that the client knows."""
        kept = self._call.kept
        for vendors, own in self._new_ids.items():
            if vendors != own and vendors in kept:
                kept[own] = kept.pop(vendors)
        if self._gives_state:
            self._kept |= kept

    def _end_call(self, index: int, status: str, events: Events) -> None:
        item = self._calls.pop(index).item
        if item is not None:
            self._keep(item, item.end(status, events))

    def _message(self, events: Events) -> Message:
        """The message that is open, or a new one."""
        found = self._open
        if type(found) is Message:
            return found
        self._end_text("completed", events)
        message = self._open = Message(self._count, self._base_id, events)
        self._count += 1
        return message

    def _reasoning(self, events: Events) -> Reasoning:
        found = self._open
        if type(found) is Reasoning:
            return found
        self._end_text("completed", events)
        reasoning = self._open = Reasoning(self._count, self._base_id, events)
        self._count += 1
        return reasoning

    def _end_text(self, status: str, events: Events) -> None:
        """Ends the message or the reasoning that is open."""
        item, self._open = self._open, None
        if isinstance(item, Message):
            self._keep(item, item.end(status, events))
        elif isinstance(item, Reasoning):
            # Marked as ours, so that it is known whose it is when it comes back, and where it was.
            state = seal(self._call.model, field=item.field) if self._gives_state else None
            self._keep(item, item.end(state, events))

    def _keep(self, item: Item, whole: dict[str, Any]) -> None:
        self._output[item.index] = whole

    def _end(self, events: Events) -> None:
        """Ends what is open, and the response."""
        self._is_over = True
        end = ended(self._reason)
        status = "completed" if end["status"] == "completed" else "incomplete"
        self._end_text(status, events)
        for index in list(self._calls):
            self._end_call(index, status, events)
        if all(item["type"] == "reasoning" for item in self._output.values()):
            self._message(events)  # a response says something, be it nothing
            self._end_text(status, events)
        if self._gives_state and self._kept:
            item = Reasoning(self._count, self._base_id, events)
            self._keep(item, item.end(seal(self._call.model, self._kept), events))
        output = [self._output[index] for index in sorted(self._output)]
        assert self._response is not None, "it has begun"
        response = {**self._response, **end, "output": output, "usage": self._usage}
        events.append({"type": f"response.{response['status']}", "response": response})


class _Call:
    """A tool call that is being streamed.

    Attributes:
        id: the vendor's; empty until it is known.
        pieces: of its arguments, which were not sent yet.
        item: of the response, once its name is known.
    """

    __slots__ = ("id", "item", "pieces")

    def __init__(self) -> None:
        self.id = ""
        self.pieces: list[str] = []
        self.item: ToolCall | None = None

    def send(self, events: Events) -> None:
        """Sends the pieces that wait."""
        if self.item is not None and self.pieces:
            pieces, self.pieces = self.pieces, []
            self.item.argue("".join(pieces), events)
