"""A request of the Messages API as one for a chat completion.

https://platform.claude.com/docs/en/api/messages/create and
https://platform.openai.com/docs/api-reference/chat/create.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from tornado_router.endpoints.bridges.messages_to_chat.content import Blocks
from tornado_router.endpoints.bridges.messages_to_chat.conversation import Conversation
from tornado_router.endpoints.bridges.messages_to_chat.tools import (
    add_tools,
    is_strict,
    safe_names,
)
from tornado_router.provider import Call, Params, UnsupportedKind

HINTS = frozenset(
    {
        "betas",
        "billing_policy",
        "cache_control",
        "context_management",
        "diagnostics",
        "fallback_credit_token",
        "fallbacks",
        "speed",
        "user_profile_id",
        "workspace_id",
    }
)
"""Fields that change nothing about a response, or only when and for whom it is made."""

LOSSES = frozenset({"compaction", "inference_geo", "mcp_servers", "thread"})
"""Fields without which the client would get something else: a summary instead of a response, one
that was made elsewhere, one without the tools of its servers, or without what was said before."""

UNSUPPORTED: Mapping[str, UnsupportedKind] = {
    **dict.fromkeys(sorted(HINTS), "hint"),
    **dict.fromkeys(sorted(LOSSES), "loss"),
    "container": "approximation",
    "max_tokens": "approximation",
    "messages": "loss",
    "messages.citations": "approximation",
    "messages.thinking": "hint",
    "messages.redacted_thinking": "hint",
    "metadata.user_id": "hint",
    "output_config": "loss",
    "output_config.effort": "approximation",
    "service_tier": "hint",
    "stop_sequences": "loss",
    "system": "hint",
    "tools": "approximation",
    "top_k": "approximation",
}
"""Of `max_tokens` 0, of `messages` blocks that no other vendor can read, of `system` the line that
Claude Code puts before it, of `stop_sequences` those beyond four."""

EFFORTS = ("low", "medium", "high", "xhigh", "max")
"""Of `output_config.effort`; `reasoning_effort` has the same names."""

BUDGETS = ((4096, "low"), (16_384, "medium"))
"""The greatest `budget_tokens` of thinking that amounts to an effort; a greater one is `high`."""

_OUTPUT = ("effort", "format")
_OFF = ("disabled", "between_tools")
_SAME = ("temperature", "top_p")
_MAX_STOPS = 4
_MAX_USER = 64
"""Characters of `user` that vendors take."""

_TIERS = {"auto": "auto", "standard_only": "default"}
_FORMAT = "response"
"""The name of a response's format, which chat completions want."""


def build_body(call: Call) -> dict[str, Any]:
    """The body of the chat completion that a call of the Messages API amounts to.

    Raises:
        ProviderError: the call asks for something that chat completions lack.
    """
    params = Params(call, HINTS)
    blocks = Blocks(call, params)
    names = safe_names(call.body)
    talk = Conversation(blocks, names)
    talk.instruct(params.take("system"))
    for index, message in enumerate(params.take("messages")):
        talk.add(message, f"messages[{index}]")
    body: dict[str, Any] = {"model": call.body["model"], "messages": talk.finish()}
    add_tools(body, params, blocks, names)
    _bound(body, params)
    _sample(body, params)
    _think(body, params)
    _identify(body, call, params)
    for name in call.body:
        if name not in HINTS and name not in LOSSES and params.take(name) is not None:
            params.approximate(name)  # of tomorrow: agents send such with each new feature
    params.finish()
    if call.stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return body


def effort_of(thinking: Mapping[str, Any] | None, effort: str | None) -> str | None:
    """The `reasoning_effort` that a request amounts to; None to leave it to the model.

    | `thinking` | `output_config.effort` | `reasoning_effort` |
    |---|---|---|
    | `disabled`, `between_tools` | any | `none` |
    | any other, or none | `low`, `medium`, `high`, `xhigh`, `max` | the same |
    | `enabled`, `budget_tokens` up to 4096 | | `low` |
    | `enabled`, up to 16384 | | `medium` |
    | `enabled`, above | | `high` |
    | `adaptive`, or none | | none is sent |
    """
    kind = (thinking or {}).get("type")
    if kind in _OFF:
        return "none"
    if effort is not None:
        return effort
    if thinking is None or kind != "enabled":
        return None
    budget = thinking.get("budget_tokens") or 0
    return next((name for most, name in BUDGETS if budget <= most), "high")


def _bound(body: dict[str, Any], params: Params) -> None:
    bound = params.take("max_tokens")
    if bound is not None and bound < 1:  # only fills the cache: one token is the least there is
        params.approximate("max_tokens")
        bound = 1
    if bound is not None:
        body["max_completion_tokens"] = bound


def _sample(body: dict[str, Any], params: Params) -> None:
    """Sampling, and where the response ends."""
    for name in _SAME:
        value = params.take(name)
        if value is not None:
            body[name] = value
    if params.take("top_k") is not None:
        params.approximate("top_k")
    stops = params.take("stop_sequences")
    if stops and len(stops) > _MAX_STOPS:
        params.unsupported("stop_sequences")
        stops = stops[:_MAX_STOPS]
    if stops:
        body["stop"] = list(stops)


def _think(body: dict[str, Any], params: Params) -> None:
    """How hard to think, and in which form to respond."""
    output = params.take("output_config") or {}
    effort = output.get("effort")
    if effort is not None and effort not in EFFORTS:
        params.approximate("output_config.effort")
        effort = EFFORTS[-1]  # a level of tomorrow, above those of today
    effort = effort_of(params.take("thinking"), effort)
    if effort is not None:
        body["reasoning_effort"] = effort
    for name in output:
        if name not in _OUTPUT:
            params.approximate(f"output_config.{name}")
    form = output.get("format") or params.take("output_format")
    if not form:
        return
    schema = form.get("schema")
    if form.get("type") != "json_schema" or not isinstance(schema, Mapping):
        params.unsupported("output_config.format")
        return
    wanted: dict[str, Any] = {"name": _FORMAT, "schema": schema}
    if is_strict(schema):
        wanted["strict"] = True
    else:
        params.approximate("output_config.format")  # not promised, but asked for
    body["response_format"] = {"type": "json_schema", "json_schema": wanted}


def _identify(body: dict[str, Any], call: Call, params: Params) -> None:
    """On whose behalf, and how urgently.

    The id of a user may be long: Claude Code's is a JSON text about its session. All that a vendor
    needs is that equal ones stay equal.
    """
    metadata = params.take("metadata") or {}
    user = metadata.get("user_id")
    if user:
        if len(user) > _MAX_USER:
            user = hashlib.sha256(user.encode("utf-8", "replace")).hexdigest()[:_MAX_USER]
            call.dropped.append("metadata.user_id")
        body["user"] = user
    tier = params.take("service_tier")
    if tier in _TIERS:
        body["service_tier"] = _TIERS[tier]
    elif tier is not None:
        call.dropped.append("service_tier")
