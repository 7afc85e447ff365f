"""How to generate: https://ai.google.dev/api/generate-content#generationconfig.

Only fields that are known go in, for Google refuses a request with any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tornado_router.provider import Params, dump_json
from tornado_router_google.models import Traits
from tornado_router_google.schema import portable_schema

MAX_CANDIDATES = 8
"""https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference."""

_INT32 = 2**31
_TIERS = ("flex", "priority")
_BUDGETS = {"minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}
"""As Google maps them itself: https://ai.google.dev/gemini-api/docs/openai#thinking."""

_LEAST_BUDGET = 128
"""Of 2.5 Pro, which cannot think less: https://ai.google.dev/gemini-api/docs/thinking."""

_LEVELS = {
    "minimal": ("MINIMAL", "LOW"),
    "low": ("LOW",),
    "medium": ("MEDIUM", "HIGH"),
    "high": ("HIGH",),
    "xhigh": ("XHIGH", "HIGH"),
    "max": ("XHIGH", "HIGH"),
}
"""The level that an effort asks for, and the one that comes nearest."""


_JSON = "Answer with one JSON value alone: no words around it, and no code fence."


def generation_config(
    params: Params, traits: Traits, system: list[dict[str, Any]], has_tools: bool
) -> dict[str, Any]:
    """The `generationConfig` of a request.

    Args:
        params: of the call.
        traits: of the model.
        system: the parts of the instructions; what can only be asked for in words is added.
        has_tools: whether the request has tools.
    """
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
    if has_tools and not traits.json_with_tools:
        system += _format_in_words(params)
    else:
        _format(config, params)
    _thinking(config, params, traits)
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


def _format(config: dict[str, Any], params: Params) -> None:
    wanted: Mapping[str, Any] = params.take("response_format") or {}
    kind = wanted.get("type", "text")
    if kind == "text":
        return
    if kind not in ("json_object", "json_schema"):
        params.unsupported("response_format")
        return
    config["responseMimeType"] = "application/json"
    schema = wanted["json_schema"].get("schema") if kind == "json_schema" else None
    if schema:
        path = "response_format.json_schema.schema"
        config["responseJsonSchema"] = portable_schema(schema, path)


def _format_in_words(params: Params) -> list[dict[str, Any]]:
    """What a response looks like, for a model that takes no such format beside tools."""
    wanted: Mapping[str, Any] = params.take("response_format") or {}
    kind = wanted.get("type", "text")
    if kind == "text":
        return []
    if kind not in ("json_object", "json_schema"):
        params.unsupported("response_format")
        return []
    params.approximate("response_format")
    schema = wanted["json_schema"].get("schema") if kind == "json_schema" else None
    rule = f" It fits this JSON Schema: {dump_json(schema).decode()}" if schema else ""
    return [{"text": f"Unless you call a tool: {_JSON}{rule}"}]


def _thinking(config: dict[str, Any], params: Params, traits: Traits) -> None:
    """https://ai.google.dev/gemini-api/docs/thinking: levels from Gemini 3 on, budgets before."""
    effort = params.take("reasoning_effort")
    if effort is None:
        return
    if effort == "none":
        if traits.always_thinks:
            params.approximate("reasoning_effort")
            least = traits.thinking_levels[:1]
            config["thinkingConfig"] = (
                {"thinkingLevel": least[0]} if least else {"thinkingBudget": _LEAST_BUDGET}
            )
        elif traits.thinking_budget:
            config["thinkingConfig"] = {"thinkingBudget": 0}
    elif traits.thinking_levels and effort in _LEVELS:
        level = next(level for level in _LEVELS[effort] if level in traits.thinking_levels)
        config["thinkingConfig"] = {"thinkingLevel": level}
        if level != _LEVELS[effort][0]:
            params.approximate("reasoning_effort")
    elif traits.thinking_budget and effort in _LEVELS:
        budget = _BUDGETS.get(effort, traits.thinking_budget)
        config["thinkingConfig"] = {"thinkingBudget": budget}
    else:
        params.approximate("reasoning_effort")
