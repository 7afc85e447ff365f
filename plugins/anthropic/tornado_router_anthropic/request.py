"""A chat completion request as a request to the Messages API.

https://platform.claude.com/docs/en/api/messages/create.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tornado_router.provider import Call, Params, UnsupportedKind, dump_json
from tornado_router_anthropic.caching import set_marks
from tornado_router_anthropic.content import plain, text_blocks
from tornado_router_anthropic.messages import Conversation
from tornado_router_anthropic.models import Model
from tornado_router_anthropic.schemas import closed
from tornado_router_anthropic.settings import Settings
from tornado_router_anthropic.thinking import (
    BINDING_BETA,
    Thinking,
    may_drop_misfits,
    plan_thinking,
)
from tornado_router_anthropic.tools import describe_past_tools, read_tools

UNSUPPORTED: Mapping[str, UnsupportedKind] = {
    "metadata": "hint",
    "prediction": "hint",
    "prompt_cache_retention": "hint",
    "safety_identifier": "hint",
    "service_tier": "hint",
    "store": "hint",
    "user": "hint",
    "verbosity": "hint",
    "messages.content.image_url.detail": "hint",
    "messages.name": "hint",
    "frequency_penalty": "approximation",
    "logprobs": "approximation",
    "presence_penalty": "approximation",
    "reasoning_effort": "approximation",
    "response_format": "approximation",
    "seed": "approximation",
    "temperature": "approximation",
    "tool_choice": "approximation",
    "tools": "approximation",
    "top_k": "approximation",
    "top_logprobs": "approximation",
    "top_p": "approximation",
    "audio": "loss",
    "logit_bias": "loss",
    "messages.content.input_audio": "loss",
    "modalities": "loss",
    "n": "loss",
    "stop": "loss",
    "web_search_options": "loss",
}
"""What the vendor, or one of its models, lacks of a chat completion."""

_MAX_USER_ID = 256
_MIN_TOP_P_WITH_THINKING = 0.95

_JSON = "Answer with one JSON object alone: no words around it, and no code fence."


def build_body(call: Call, settings: Settings) -> tuple[dict[str, Any], list[str]]:
    """The vendor's body for a call, and the beta features that it makes use of.

    Raises:
        ApiError: the call asks for something that the vendor cannot do.
    """
    params = Params(call, fields=UNSUPPORTED)
    model = settings.model(call.model)
    tools = read_tools(call, params, model)
    thinking = plan_thinking(
        call, params, model, _max_tokens(params, model, settings), tools.forced
    )
    talk = Conversation(call, params, model, thinking.on)
    betas: list[str] = []
    if talk.has_thoughts and model.bound_thinking:
        may_drop_misfits(thinking)
        betas.append(BINDING_BETA)
    if talk.tool_names and not tools.definitions:
        describe_past_tools(tools, talk.tool_names)
    body: dict[str, Any] = {
        "model": call.model,
        "max_tokens": thinking.max_tokens,
        "messages": talk.messages,
    }
    output = _output(call, params, model, talk, thinking)
    if talk.system:
        body["system"] = plain(talk.system)
    if tools.definitions:
        body["tools"] = tools.definitions
        if tools.choice:
            body["tool_choice"] = tools.choice
    if thinking.config:
        body["thinking"] = _shown(thinking.config, settings)
    elif settings.reasoning_content and thinking.on:
        body["thinking"] = _shown({"type": "adaptive"}, settings)
    if output:
        body["output_config"] = output
    _sample(params, model, thinking.on, body)
    _stop(params, body)
    _identify(call, params, body)
    set_marks(body, params)
    if call.stream:
        body["stream"] = True
    params.finish()
    return body, betas


def _max_tokens(params: Params, model: Model, settings: Settings) -> int:
    """The limit that the vendor insists on: the client's, the operator's, or what suits."""
    return params.take_bound() or settings.max_tokens or model.default_max_tokens


def _output(
    call: Call, params: Params, model: Model, talk: Conversation, thinking: Thinking
) -> dict[str, Any]:
    """`output_config`: the effort and the format of a response.

    Any JSON object at all is a format that the vendor does not have: it is asked for in words,
    and named among what was dropped.
    """
    output: dict[str, Any] = {}
    if thinking.effort:
        output["effort"] = thinking.effort
    wanted = params.take("response_format") or {}
    if wanted.get("type") not in ("json_schema", "json_object"):
        return output
    found = wanted.get("json_schema") or {}
    schema = found.get("schema")
    if not schema:
        call.dropped.append("response_format")
        talk.system += text_blocks(_JSON)
    elif model.json_schema:
        path = "response_format.json_schema.schema"
        schema = closed(schema, params, path)
        if found.get("description") and "description" not in schema:
            schema["description"] = found["description"]
        output["format"] = {"type": "json_schema", "schema": schema}
    else:
        params.approximate("response_format")
        talk.system += text_blocks(
            f"{_JSON} It fits this JSON Schema: {dump_json(schema).decode()}"
        )
    return output


def _shown(config: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Has thoughts come with their text, if clients are to see it: newer models leave it out."""
    if settings.reasoning_content and config.get("type") in ("adaptive", "enabled"):
        return {"display": "summarized", **config}
    return config


def _sample(params: Params, model: Model, thinks: bool, body: dict[str, Any]) -> None:
    """Temperature goes up to 1 here, and not with thinking; 1 is the default of both sides."""
    temperature, top_p = params.take("temperature"), params.take("top_p")
    if temperature is not None and temperature > 1:
        params.approximate("temperature")
        temperature = 1
    given = {
        name: value
        for name, value in (
            ("temperature", None if temperature == 1 else temperature),
            ("top_p", None if top_p == 1 else top_p),
            ("top_k", params.take("top_k")),  # Anthropic's own
        )
        if value is not None
    }
    if not given:
        return
    for name in list(given):
        refused = model.sampling == "none" or (
            thinks and (name != "top_p" or given[name] < _MIN_TOP_P_WITH_THINKING)
        )
        if refused or (name == "top_p" and model.sampling == "one" and "temperature" in given):
            params.approximate(name)
            del given[name]
    body |= given


def _stop(params: Params, body: dict[str, Any]) -> None:
    stop = params.take("stop")
    sequences = [stop] if isinstance(stop, str) else stop or []
    taken = [sequence for sequence in sequences if sequence and not sequence.isspace()]
    if len(taken) < sum(1 for sequence in sequences if sequence):
        params.unsupported("stop")  # the API refuses sequences of blanks
    if taken:
        body["stop_sequences"] = taken


def _identify(call: Call, params: Params, body: dict[str, Any]) -> None:
    """Says on whose behalf and how urgently, in the vendor's own fields."""
    user, safe = params.take("user"), params.take("safety_identifier")
    user_id = safe or user
    if user_id and len(user_id) <= _MAX_USER_ID:
        body["metadata"] = {"user_id": user_id}
    elif user_id:
        call.dropped.append("user")
    tier = params.take("service_tier")
    if tier == "default":
        body["service_tier"] = "standard_only"
    elif tier not in (None, "auto"):
        call.dropped.append("service_tier")
