"""How to generate: https://ai.google.dev/api/generate-content#generationconfig.

Only fields that are known go in, for Google refuses a request with any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tornado_router.provider import Call, Params
from tornado_router_google.models import Traits
from tornado_router_google.schema import portable_schema

MAX_CANDIDATES = 8
"""https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference."""

_INT32 = 2**31
_TIERS = ("flex", "priority")
_BUDGETS = {"minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}
"""As Google maps them itself: https://ai.google.dev/gemini-api/docs/openai#thinking."""

_LEVELS = {
    "minimal": ("MINIMAL", "LOW"),
    "low": ("LOW",),
    "medium": ("MEDIUM", "HIGH"),
    "high": ("HIGH",),
    "xhigh": ("XHIGH", "HIGH"),
    "max": ("XHIGH", "HIGH"),
}
"""The level that an effort asks for, and the one that comes nearest."""


def generation_config(
    call: Call, params: Params, traits: Traits, has_tools: bool
) -> dict[str, Any]:
    """The `generationConfig` of a request."""
    config: dict[str, Any] = {}
    for name, field in (("temperature", "temperature"), ("top_p", "topP")):
        value = params.take(name)
        if value is not None:
            config[field] = value
    limit = params.take_bound()
    if limit is not None:
        config["maxOutputTokens"] = limit
    _stop(config, params)
    _seed(config, params)
    _penalties(config, params, traits)
    _choices(config, params)
    _format(config, params, traits, has_tools)
    _thinking(config, call, params, traits)
    return config


def service_tier(params: Params, on_vertex: bool) -> str | None:
    """https://ai.google.dev/gemini-api/docs/flex-inference; Vertex AI has no such field."""
    tier = params.take("service_tier")
    if tier is None or tier in ("auto", "default"):
        return None
    if on_vertex or tier not in _TIERS:
        params.approximate("service_tier")
        return None
    return str(tier)


def take_defaults(params: Params) -> None:
    """Takes what asks for nothing but what every response is anyway."""
    for name, defaults in (
        ("modalities", (["text"], [])),
        ("verbosity", ("medium",)),
        ("logit_bias", ({},)),
    ):
        if params.take(name, defaults[0]) not in defaults:
            params.unsupported(name)


def _stop(config: dict[str, Any], params: Params) -> None:
    stop = params.take("stop")
    sequences = [stop] if isinstance(stop, str) else stop or ()
    sequences = [sequence for sequence in sequences if sequence]  # Google refuses an empty one
    if sequences:
        config["stopSequences"] = sequences


def _seed(config: dict[str, Any], params: Params) -> None:
    """Google's has 32 bits. All that matters of a seed is that equal ones stay equal."""
    seed = params.take("seed")
    if seed is not None:
        config["seed"] = seed if -_INT32 <= seed < _INT32 else seed % _INT32


def _penalties(config: dict[str, Any], params: Params, traits: Traits) -> None:
    for name, field in (
        ("presence_penalty", "presencePenalty"),
        ("frequency_penalty", "frequencyPenalty"),
    ):
        penalty = params.take(name)
        if not penalty:
            continue  # 0 is none, and newer models refuse the field
        if traits.penalties:
            config[field] = penalty
        else:
            params.approximate(name)


def _choices(config: dict[str, Any], params: Params) -> None:
    count = params.take("n", 1)
    if count > MAX_CANDIDATES:
        params.unsupported("n")
    elif count > 1:
        config["candidateCount"] = count
    logprobs, top = params.take("logprobs"), params.take("top_logprobs")
    if logprobs:
        config["responseLogprobs"] = True
        if top:
            config["logprobs"] = top


def _format(config: dict[str, Any], params: Params, traits: Traits, has_tools: bool) -> None:
    wanted: Mapping[str, Any] = params.take("response_format") or {}
    kind = wanted.get("type", "text")
    if kind == "text":
        return
    if kind not in ("json_object", "json_schema") or (has_tools and not traits.json_with_tools):
        params.unsupported("response_format")
        return
    config["responseMimeType"] = "application/json"
    schema = wanted["json_schema"].get("schema") if kind == "json_schema" else None
    if schema:
        path = "response_format.json_schema.schema"
        config["responseJsonSchema"] = portable_schema(schema, path)


def _thinking(config: dict[str, Any], call: Call, params: Params, traits: Traits) -> None:
    """https://ai.google.dev/gemini-api/docs/thinking: levels from Gemini 3 on, budgets before."""
    effort = params.take("reasoning_effort")
    if effort is None:
        return
    if effort == "none":
        if traits.always_thinks:
            params.approximate("reasoning_effort")
        elif traits.thinking_budget:
            config["thinkingConfig"] = {"thinkingBudget": 0}
    elif traits.thinking_levels and effort in _LEVELS:
        level = next(level for level in _LEVELS[effort] if level in traits.thinking_levels)
        config["thinkingConfig"] = {"thinkingLevel": level}
        if level != _LEVELS[effort][0]:
            call.dropped.append("reasoning_effort")  # approximated, and said so
    elif traits.thinking_budget and effort in _LEVELS:
        budget = _BUDGETS.get(effort, traits.thinking_budget)
        config["thinkingConfig"] = {"thinkingBudget": budget}
    else:
        params.approximate("reasoning_effort")
