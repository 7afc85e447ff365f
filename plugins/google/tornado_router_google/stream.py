"""A streamed response: each event is a whole response that holds what is new.

Google ends a stream by closing it. The finish reason may come in any event (older models send
STOP in every one), and the usage grows from event to event; so both are remembered, and said
once, at the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tornado_router.provider import Body, Call, Event, bad_answer, load_json_object
from tornado_router_google.candidates import (
    STOP,
    CallReader,
    FunctionCall,
    candidates_of,
    finish_of,
    finish_reason,
    index_of,
    is_blocked,
    logprobs_of,
    parts_of,
    text_of,
)
from tornado_router_google.errors import error_of
from tornado_router_google.response import identity, wants_legacy
from tornado_router_google.usage import usage_of


@dataclass(slots=True)
class _Choice:
    """What is known of one choice so far.

    Attributes:
        reason: Google's finish reason.
        calls: how many function calls it has made.
    """

    reason: str | None = None
    calls: int = 0


class ChatStreamParser:
    """Makes chunks of the events of one stream.

    Args:
        call: what was asked.
        provider: its name.
        headers: of the response, as far as they are known.
    """

    def __init__(self, call: Call, provider: str, headers: Mapping[str, str] | None = None) -> None:
        self.done = False  # Google says no such thing, it closes
        self._call = call
        self._provider = provider
        self._headers = headers
        self._legacy = wants_legacy(call)
        self._calls = CallReader(call, provider)
        self._head: dict[str, Any] = {}
        self._choices: dict[int, _Choice] = {}
        self._usage: Any = None

    def feed(self, event: Event) -> Iterable[Body]:
        """The chunks of an event."""
        body = load_json_object(event.data, self._provider)
        if "error" in body:
            raise error_of(self._provider, body, self._headers)
        if not self._head:
            self._head = identity(self._call, body, "chat.completion.chunk")
            self._calls.response_id = body.get("responseId")
        usage = body.get("usageMetadata")
        if usage is not None:
            self._usage = usage
        chunks: list[Body] = []
        for candidate in candidates_of(body, self._provider):
            self._read(candidate, chunks)
        if not self._choices and is_blocked(body):
            self._begin(0, chunks).reason = "SAFETY"
        return chunks

    def finish(self) -> Iterable[Body]:
        """The end of every choice, and the usage."""
        if not self._choices:
            raise bad_answer(f"The provider '{self._provider}' broke off its stream.")
        chunks: list[Body] = []
        for index, choice in self._choices.items():
            if choice.reason is None:
                raise bad_answer(f"The provider '{self._provider}' broke off its stream.")
            called = ("function_call" if self._legacy else "tool_calls") if choice.calls else None
            chunks.append(self._chunk(index, {}, None, finish_reason(choice.reason, called)))
        usage = usage_of(self._usage)
        if usage:
            chunks.append({**self._head, "choices": [], "usage": usage})
        return chunks

    def _read(self, candidate: Mapping[str, Any], chunks: list[Body]) -> None:
        index = index_of(candidate, self._provider)
        choice = self._choices.get(index) or self._begin(index, chunks)
        logprobs = logprobs_of(candidate) if "logprobsResult" in candidate else None
        for part in parts_of(candidate, self._provider):
            text = text_of(part, self._provider)
            if text:
                chunks.append(self._chunk(index, {"content": text}, logprobs))
                logprobs = None
            if "functionCall" in part:
                self._add_call(index, choice, self._calls.read(part), chunks)
        if logprobs:
            chunks.append(self._chunk(index, {}, logprobs))
        reason = finish_of(candidate.get("finishReason"), self._provider)
        if reason is not None and choice.reason in (None, STOP):
            choice.reason = reason  # what was not STOP is never masked by it

    def _begin(self, index: int, chunks: list[Body]) -> _Choice:
        choice = self._choices[index] = _Choice()
        chunks.append(self._chunk(index, {"role": "assistant", "content": "", "refusal": None}))
        return choice

    def _add_call(
        self, index: int, choice: _Choice, call: FunctionCall, chunks: list[Body]
    ) -> None:
        """A chunk that begins the call, and one with its arguments."""
        position = choice.calls
        choice.calls += 1
        begun: dict[str, Any] = {"name": call.name, "arguments": ""}
        arguments: dict[str, Any] = {"arguments": call.arguments}
        if self._legacy:
            if position == 0:  # it has room for one
                chunks.append(self._chunk(index, {"function_call": begun}))
                chunks.append(self._chunk(index, {"function_call": arguments}))
            return
        start = {"index": position, "id": call.id, "type": "function", "function": begun}
        chunks.append(self._chunk(index, {"tool_calls": [start]}))
        rest = {"index": position, "function": arguments}
        chunks.append(self._chunk(index, {"tool_calls": [rest]}))

    def _chunk(
        self,
        index: int,
        delta: dict[str, Any],
        logprobs: dict[str, Any] | None = None,
        reason: str | None = None,
    ) -> dict[str, Any]:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        return {**self._head, "choices": [choice]}
