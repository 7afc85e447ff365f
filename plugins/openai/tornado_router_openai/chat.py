"""Chat completions: the bytes pass through, apart from what the vendor takes otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tornado_router.provider import (
    Body,
    Call,
    Params,
    Relayed,
    UpstreamResponse,
    output_bounds,
)
from tornado_router_openai.chat_rules import ChatRules, asks_for_nothing
from tornado_router_openai.messages import edit_messages
from tornado_router_openai.reasoning import ReasoningStream, keep_reasoning
from tornado_router_openai.relay import ChatStreamParser, Draft, Streaming

if TYPE_CHECKING:
    from tornado_router_openai.provider import OpenAIProvider

_BOUND, _OLD_BOUND = "max_completion_tokens", "max_tokens"


class ChatCompletions(Streaming):
    """https://platform.openai.com/docs/api-reference/chat."""

    def __init__(self, provider: OpenAIProvider) -> None:
        super().__init__(provider, "/chat/completions", "choices")
        self._rules = provider.chat
        self._is_plain = self._rules == ChatRules(takes_unlimited=self._rules.takes_unlimited)

    def edit(self, draft: Draft, call: Call) -> None:
        """As everywhere; and what the vendor's rules for chat say."""
        self._edit_bounds(draft)
        super().edit(draft, call)
        if not self._is_plain:
            self._leave_out(draft, call)
            self._lower(draft, call)
        if not self._provider.is_openai:
            # Where a vendor has no rules of its own, only nulls may have to go.
            if not self._is_plain or _has_nulls(draft.fields["messages"]):
                self._edit_messages(draft, call)
            _edit_tools(draft)

    def parse_response(self, call: Call, response: UpstreamResponse) -> Body:
        """The vendor's bytes, once they are known to be a response."""
        made = super().parse_response(call, response)
        if self._rules.returns_reasoning and isinstance(made, Relayed):
            keep_reasoning(call, made.body["choices"])
        return made

    def parse_stream(self, call: Call) -> ChatStreamParser:
        """A parser that passes chunks through."""
        if self._rules.returns_reasoning:
            return ReasoningStream(call, self._provider.name)
        return super().parse_stream(call)

    def _edit_bounds(self, draft: Draft) -> None:
        """Leaves one bound of two, the lesser; and none of -1, unless the vendor knows it.

        OpenAI itself refuses two, and says so better than silence would.
        """
        fields = draft.fields
        new, old = fields.get(_BOUND), fields.get(_OLD_BOUND)
        is_one = new is None or old is None or self._provider.is_openai
        if is_one and (new is None or new > 0) and (old is None or old > 0):
            return
        given = [name for name in (_BOUND, _OLD_BOUND) if fields.get(name) is not None]
        bounds = output_bounds(fields)
        if not bounds and self._provider.takes_unlimited:
            bounds = [-1]
        for name in given:
            draft.leave_out(name)
        if bounds:
            draft.put(given[0], min(bounds))

    def _edit_messages(self, draft: Draft, call: Call) -> None:
        """Puts the messages as the vendor takes them."""
        messages = edit_messages(call, self._rules)
        if messages is not None:
            draft.put("messages", messages)

    def _leave_out(self, draft: Draft, call: Call) -> None:
        """Leaves out what makes the vendor refuse the request."""
        for name in self._rules.refused:
            if name in draft.fields:
                if not asks_for_nothing(name, draft.fields[name]):
                    Params(call).unsupported(name)
                draft.leave_out(name)

    def _lower(self, draft: Draft, call: Call) -> None:
        """Lowers what is beyond the vendor's limits; fewer choices are not what was asked for."""
        for name, limit in self._rules.maxima.items():
            value = draft.fields.get(name)
            if value is not None and value > limit:
                params = Params(call)
                (params.unsupported if name == "n" else params.approximate)(name)
                draft.put(name, limit)
        stop, stops = draft.fields.get("stop"), self._rules.stops
        if stops and isinstance(stop, list) and len(stop) > stops:
            Params(call).unsupported("stop")
            draft.put("stop", stop[:stops])


def _has_nulls(messages: Iterable[Mapping[str, Any]]) -> bool:
    for message in messages:  # any() takes twice as long  # noqa: SIM110
        if None in message.values():
            return True
    return False


def _edit_tools(draft: Draft) -> None:
    """Leaves nulls out of the definitions of tools; not out of schemas, where they mean null."""
    tools = draft.fields.get("tools")
    if not tools:
        return
    edited = []
    for tool in tools:
        function = tool.get("function")
        if isinstance(function, dict) and None in function.values():
            known = {name: value for name, value in function.items() if value is not None}
            edited.append({**tool, "function": known})
        else:
            edited.append(tool)
    if any(new is not old for new, old in zip(edited, tools, strict=True)):
        draft.put("tools", edited)
