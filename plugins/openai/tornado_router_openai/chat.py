"""Chat completions: the bytes pass through, apart from what the vendor takes otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tornado_router.provider import (
    Body,
    Call,
    Params,
    Relayed,
    UnsupportedKind,
    UpstreamResponse,
    asks_for_nothing,
    output_bounds,
)
from tornado_router_openai.caching import (
    CONTROL,
    CONTROL_ALONE,
    REQUEST_FIELDS,
    edit_marks,
    has_breakpoints,
    has_marks,
    without_marks,
)
from tornado_router_openai.chat_rules import ChatRules
from tornado_router_openai.efforts import nearest_effort
from tornado_router_openai.messages import edit_messages
from tornado_router_openai.reasoning import ReasoningStream, keep_reasoning
from tornado_router_openai.relay import ChatStreamParser, Draft, Streaming

if TYPE_CHECKING:
    from tornado_router_openai.provider import OpenAIProvider

_EFFORT = "reasoning_effort"
_BOUND, _OLD_BOUND = "max_completion_tokens", "max_tokens"


class ChatCompletions(Streaming):
    """https://platform.openai.com/docs/api-reference/chat."""

    def __init__(self, provider: OpenAIProvider) -> None:
        super().__init__(provider, "/chat/completions", "choices")
        self._rules = provider.chat
        self._is_plain = self._rules == ChatRules(takes_unlimited=self._rules.takes_unlimited)
        self._takes_marks = provider.takes_cache_control and not provider.is_openai
        self.unsupported_fields = _kinds(provider)

    def edit(self, draft: Draft, call: Call) -> None:
        """As everywhere; and what the vendor's rules for chat say."""
        self._edit_bounds(draft)
        super().edit(draft, call)
        if self._provider.has_openai_models and draft.fields.get(_EFFORT) is not None:
            self._edit_effort(draft, call)
        if not self._is_plain:
            self._leave_out(draft, call)
            self._lower(draft, call)
        if not self._provider.is_openai:
            # Where a vendor has no rules of its own, only nulls may have to go.
            if not self._is_plain or _has_nulls(draft.fields["messages"]):
                self._edit_messages(draft, call)
            _edit_tools(draft)
        if not self._takes_marks and has_marks(call.body):
            self._edit_marks(draft, call)

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

    def _edit_effort(self, draft: Draft, call: Call) -> None:
        """Asks a model of OpenAI's for an effort that it takes.

        Where nothing is to be approximated, the vendor itself refuses, and names what it takes.
        """
        effort = draft.fields[_EFFORT]
        nearest = nearest_effort(call.model, effort)
        if nearest is not None or effort != "none":
            if nearest == effort or call.unsupported == "reject":
                return
            call.dropped.append(_EFFORT)
        if nearest is None:
            draft.leave_out(_EFFORT)
        else:
            draft.put(_EFFORT, nearest)

    def _edit_marks(self, draft: Draft, call: Call) -> None:
        """Puts marks of cached prefixes as the vendor has them, if it has any; mere hints."""
        breakpoints = self._provider.has_openai_models and has_breakpoints(call.model)
        if breakpoints and not has_marks(call.body, CONTROL_ALONE):
            return  # they are OpenAI's own
        for name in REQUEST_FIELDS:
            if draft.fields.get(name) and (name == CONTROL or not breakpoints):
                call.dropped.append(name)
                draft.leave_out(name)
        messages = edit_marks(draft.fields["messages"], breakpoints=breakpoints)
        draft.put("messages", messages)
        if draft.fields.get("tools"):
            draft.put("tools", without_marks(draft.fields["tools"]))

    def _edit_messages(self, draft: Draft, call: Call) -> None:
        """Puts the messages as the vendor takes them."""
        messages = edit_messages(call, self._rules)
        if messages is not None:
            draft.put("messages", messages)

    def _leave_out(self, draft: Draft, call: Call) -> None:
        """Leaves out what makes the vendor refuse the request."""
        for name in (*self._rules.refused, *self._rules.approximated):
            if name in draft.fields:
                if not asks_for_nothing(name, draft.fields[name]):
                    Params(call, fields=self.unsupported_fields).leave_out(name)
                draft.leave_out(name)

    def _lower(self, draft: Draft, call: Call) -> None:
        """Lowers what is beyond the vendor's limits; fewer choices are not what was asked for."""
        for name, limit in self._rules.maxima.items():
            value = draft.fields.get(name)
            if value is not None and value > limit:
                Params(call, fields=self.unsupported_fields).leave_out(name)
                draft.put(name, limit)
        stop, stops = draft.fields.get("stop"), self._rules.stops
        if stops and isinstance(stop, list) and len(stop) > stops:
            Params(call).unsupported("stop")
            draft.put("stop", stop[:stops])


def _kinds(provider: OpenAIProvider) -> dict[str, UnsupportedKind]:
    """What the vendor lacks, by its rules; of what it may lack besides, it says so itself."""
    rules = provider.chat
    kinds: dict[str, UnsupportedKind] = {}
    kinds |= dict.fromkeys(sorted(provider.unknown_hints), "hint")
    if "name" not in rules.message_fields.get("user", ("name",)):
        kinds["messages.name"] = "hint"
    kinds |= dict.fromkeys(rules.approximated, "approximation")
    kinds |= dict.fromkeys(rules.refused, "loss")
    if provider.has_openai_models:
        kinds[_EFFORT] = "approximation"
    for name in rules.maxima:
        kinds[name] = "loss" if name == "n" else "approximation"
    if rules.stops:
        kinds["stop"] = "loss"
    return kinds


def _has_nulls(items: Iterable[Mapping[str, Any]]) -> bool:
    for item in items:  # any() takes twice as long  # noqa: SIM110
        if None in item.values():
            return True
    return False


def _edit_tools(draft: Draft) -> None:
    """Leaves nulls out of the definitions of tools; not out of schemas, where they mean null."""
    tools = draft.fields.get("tools") or ()
    if _has_nulls([tool["function"] for tool in tools if _is_function(tool)]):
        draft.put("tools", [_without_nulls(tool) if _is_function(tool) else tool for tool in tools])


def _is_function(tool: Mapping[str, Any]) -> bool:
    return isinstance(tool.get("function"), dict)


def _without_nulls(tool: Mapping[str, Any]) -> dict[str, Any]:
    known = {name: value for name, value in tool["function"].items() if value is not None}
    return {**tool, "function": known}
