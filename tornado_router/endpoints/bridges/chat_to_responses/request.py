"""A request for a chat completion as one for a response.

https://developers.openai.com/api/docs/guides/migrate-to-responses has both side by side.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tornado_router.endpoints.bridges.chat_to_responses.items import Items
from tornado_router.endpoints.bridges.chat_to_responses.tools import (
    read_choice,
    read_format,
    read_tools,
)
from tornado_router.provider import Call, Params, UnsupportedKind

HINTS = frozenset(("prediction", "seed"))
"""Fields that change nothing about what is asked for."""

_SAME = (
    "metadata",
    "moderation",
    "parallel_tool_calls",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "temperature",
    "top_p",
    "user",
)
"""Fields that mean the same in both."""

_NEUTRAL: Mapping[str, Any] = {
    "frequency_penalty": 0,
    "logit_bias": {},
    "logprobs": False,
    "modalities": ["text"],
    "n": 1,
    "presence_penalty": 0,
}
"""Values that ask for what is done anyway; with others, a response has no place for the field."""

UNSUPPORTED: Mapping[str, UnsupportedKind] = {
    **dict.fromkeys(sorted(HINTS), "hint"),
    **dict.fromkeys(sorted(_NEUTRAL), "loss"),
    "audio": "loss",
    "function_call": "loss",
    "functions": "loss",
    "max_completion_tokens": "approximation",
    "max_tokens": "approximation",
    "messages": "loss",
    "reasoning": "loss",
    "response_format": "loss",
    "stop": "loss",
    "store": "hint",
    "tool_choice": "loss",
    "tools": "loss",
    "web_search_options": "loss",
}
"""Of a bound what is below 16, of messages parts and of tools kinds that a response lacks."""

_MIN_BOUND = 16
"""The vendor refuses lower ones:
https://community.openai.com/t/min-for-max-output-tokens-is-16-and-not-documented/1263838."""

_ENCRYPTED = "reasoning.encrypted_content"
_LOGPROBS = "message.output_text.logprobs"


def build_body(call: Call) -> dict[str, Any]:
    """The request. Nothing is stored at the vendor's, as chat completions are not, either.

    Raises:
        ProviderError: the call asks for something that a response lacks.
    """
    params, asked = Params(call, HINTS), call.body
    for name, value in _NEUTRAL.items():
        if name in asked and asked[name] == value:
            params.take(name)
    messages = Items(call, params).make(params.take("messages"))
    body: dict[str, Any] = {"model": asked["model"], "input": messages, "store": False}
    if params.take("store"):
        call.dropped.append("store")
    tools, choice = read_tools(params), read_choice(params)
    if tools is not None:
        body["tools"] = tools
    if choice is not None:
        body["tool_choice"] = choice
    _shape(call, params, body)
    body |= {name: value for name in _SAME if (value := params.take(name)) is not None}
    _bound(call, params, body)
    _include(params, body, thinks=bool(tools))
    params.finish()
    if call.stream:
        body |= {"stream": True, **_stream_options(asked)}
    return body


def _shape(call: Call, params: Params, body: dict[str, Any]) -> None:
    """How the model is to think, and in which form to respond."""
    # OpenRouter's clients send an object, which may ask for a summary, too.
    reasoning, known = params.take("reasoning"), {}
    if isinstance(reasoning, Mapping):
        names = ("effort", "summary")
        known = {name: reasoning[name] for name in names if isinstance(reasoning.get(name), str)}
        call.dropped += [f"reasoning.{name}" for name in reasoning if name not in known]
    elif reasoning is not None:
        params.unsupported("reasoning")
    effort = params.take("reasoning_effort")
    if effort is not None:
        known["effort"] = effort
    if known:
        body["reasoning"] = known
    form, verbosity = read_format(params), params.take("verbosity")
    text = {name: value for name, value in (("format", form), ("verbosity", verbosity)) if value}
    if text:
        body["text"] = text


def _bound(call: Call, params: Params, body: dict[str, Any]) -> None:
    bound = params.take_bound()
    if bound is None:
        return
    if bound < _MIN_BOUND:
        asked = call.body.get("max_completion_tokens")
        params.approximate("max_tokens" if asked is None else "max_completion_tokens")
    body["max_output_tokens"] = max(bound, _MIN_BOUND)


def _include(params: Params, body: dict[str, Any], *, thinks: bool) -> None:
    """What else is to come: log probabilities; reasoning that can go on after a tool's result.

    Where there are no tools, none is needed, and models that do not think refuse it.
    """
    include = [_ENCRYPTED] if thinks else []
    if params.take("logprobs"):
        include.append(_LOGPROBS)
        top = params.take("top_logprobs")
        if top is not None:
            body["top_logprobs"] = top
    if include:
        body["include"] = include


def _stream_options(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Usage comes without being asked for; the encoder knows whether the client wants it."""
    padded = (asked.get("stream_options") or {}).get("include_obfuscation")
    return {} if padded is None else {"stream_options": {"include_obfuscation": padded}}
