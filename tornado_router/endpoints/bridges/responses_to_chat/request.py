"""A request for a response as one for a chat completion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tornado_router.endpoints.bridges.responses_to_chat.conversation import Conversation
from tornado_router.endpoints.bridges.responses_to_chat.tools import Tools
from tornado_router.endpoints.chat_completions import CHAT_COMPLETIONS
from tornado_router.error_codes import Failure
from tornado_router.provider import Call, Params, UnsupportedKind, dump_json

STATE = "reasoning.encrypted_content"
LOGPROBS = "message.output_text.logprobs"
_INCLUDED = (STATE, LOGPROBS)
"""Values of `include` that are served; the others are about what vendors run themselves."""

HINTS = frozenset(
    (
        "access_programs",
        "background_options",
        "client_metadata",
        "context_management",
        "image",
        "max_tool_calls",
    )
)
"""Fields that change nothing about a response of a model that runs no tools itself."""

_ECHOED = ("background", "metadata", "store")
"""Fields that the router serves itself; the response says them again."""

_SAME = (
    "temperature",
    "top_p",
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "service_tier",
)
"""Fields that mean the same in both."""

_CHAT_ONLY = (
    "chat_template_kwargs",
    "frequency_penalty",
    "logit_bias",
    "min_p",
    "presence_penalty",
    "repetition_penalty",
    "seed",
    "stop",
    "thinking",
    "top_k",
)
"""Fields of chat completions that clients send here too; OpenAI's responses have none of them."""

_KNOWN = frozenset(
    (
        *("include", "input", "instructions", "max_output_tokens", "parallel_tool_calls"),
        *("reasoning", "text", "tool_choice", "tools", "top_logprobs", "truncation"),
        *("conversation", "moderation", "previous_response_id", "prompt"),
        *Params.CORE,
        *HINTS,
        *_ECHOED,
        *_SAME,
    )
)
_RESOLVED = ("previous_response_id", "conversation")
"""Fields that stand for items: those are in `input` before a bridge is taken."""

UNSUPPORTED: Mapping[str, UnsupportedKind] = {
    **dict.fromkeys(sorted(HINTS), "hint"),
    "conversation": "loss",
    "include": "hint",
    "input": "loss",
    "moderation": "loss",
    "previous_response_id": "loss",
    "prompt": "loss",
    "reasoning": "hint",
    "text": "hint",
    "text.format": "loss",
    "tool_choice": "loss",
    "tools": "hint",
    "truncation": "hint",
}
"""Of `input` items that only their vendor can read, of `tools` those that a vendor runs itself, of
the others the parts and values that a chat completion has no place for."""

_EFFORT = "reasoning_effort"


def chat_call(call: Call) -> Call:
    """The chat completion that a response is made of.

    Raises:
        ApiError: the items do not belong together, or ask for what a chat completion has not.
    """
    params, asked = Params(call, HINTS), call.body
    for name in _RESOLVED:
        if params.take(name) is not None:
            raise Failure.not_bridged(
                model=call.model, param=name, reason="the conversation is not kept here"
            )
    tools = Tools(asked)
    params.take("tools")
    call.dropped += tools.dropped
    conversation = Conversation(call, params, tools)
    body: dict[str, Any] = {"model": asked["model"], "messages": conversation.messages}
    _use_tools(params, tools, body)
    _shape(call, params, conversation.updates, body)
    _bound(call, params, body)
    for name in _ECHOED:
        params.take(name)
    if not asked.keys() <= _KNOWN:
        body |= _others(asked, params)
    params.finish()
    if call.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return Call(
        call.id,
        CHAT_COMPLETIONS.name,
        call.model,
        body,
        dump_json(body),
        call.stream,
        call.unsupported,
        conversation.memory,
    )


def _use_tools(params: Params, tools: Tools, body: dict[str, Any]) -> None:
    choice = tools.choice(params.take("tool_choice"), params)
    parallel = params.take("parallel_tool_calls")
    if tools.functions:
        body["tools"] = list(tools.functions.values())
        if choice is not None:
            body["tool_choice"] = choice
        if parallel is not None:
            body["parallel_tool_calls"] = parallel


def _shape(call: Call, params: Params, updates: Mapping[str, Any], body: dict[str, Any]) -> None:
    """How the model is to think, and in which form to respond."""
    reasoning = {**(params.take("reasoning") or {}), **updates.get("reasoning", {})}
    effort = reasoning.pop("effort", None)
    if effort is not None:
        body[_EFFORT] = effort
    _note(call, "reasoning", reasoning, ("summary", "generate_summary"))
    text = {**(params.take("text") or {}), **updates.get("text", {})}
    form, verbosity = text.pop("format", None), text.pop("verbosity", None)
    if form is not None and form["type"] != "text":
        response_format = _response_format(form)
        if response_format is None:
            params.unsupported("text.format")
        else:
            body["response_format"] = response_format
    if verbosity is not None:
        body["verbosity"] = verbosity
    _note(call, "text", text)


def _bound(call: Call, params: Params, body: dict[str, Any]) -> None:
    """How much there is to be of it, and what is to be reported of it."""
    bound = params.take("max_output_tokens")
    if bound is not None:
        body["max_completion_tokens"] = bound
    body |= {name: value for name in _SAME if (value := params.take(name)) is not None}
    include, top = params.take("include") or (), params.take("top_logprobs")
    if top or LOGPROBS in include:
        body["logprobs"] = True
        if top is not None:
            body["top_logprobs"] = top
    if any(name not in _INCLUDED for name in include):
        call.dropped.append("include")
    if params.take("truncation") == "auto":
        call.dropped.append("truncation")


def _others(asked: Mapping[str, Any], params: Params) -> dict[str, Any]:
    """What a chat completion has is passed on; what no one knows yet is left out, and reported.

    Raises:
        ApiError: it is not what a chat completion takes; the client's own schema knows none of it.
    """
    found = {}
    for name in [name for name in asked if name not in _KNOWN]:
        value = params.take(name)
        if value is not None and name in _CHAT_ONLY:
            found[name] = value
        elif value is not None:
            params.approximate(name)
    if found:
        CHAT_COMPLETIONS.validator().check(
            {"model": "", "messages": [{"role": "user", "content": ""}], **found}
        )
    return found


def _note(call: Call, name: str, fields: Mapping[str, Any], served: tuple[str, ...] = ()) -> None:
    call.dropped += [
        f"{name}.{field}"
        for field, value in fields.items()
        if value is not None and field not in served
    ]


def _response_format(form: Mapping[str, Any]) -> dict[str, Any] | None:
    kind = form["type"]
    if kind == "json_object":
        return {"type": kind}
    if kind != "json_schema":
        return None
    names = ("name", "description", "schema", "strict")
    known = {name: form[name] for name in names if form.get(name) is not None}
    return {"type": kind, kind: known}
