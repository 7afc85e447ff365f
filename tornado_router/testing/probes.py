"""Parameters, one by one, each with a value that has to show in the request to the vendor.

A request is built with the parameter and without. If both are the same, the parameter was lost on
the way, and the provider has to have reported it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tornado_router.testing.corpus import AUDIO, FILE, IMAGE, WEATHER, chat, says, text


@dataclass(frozen=True)
class Probe:
    """One parameter.

    Attributes:
        name: of the parameter.
        given: a body that has it.
        absent: the same body without it.
        paths: what a refusal may name as `param`, or begin with.
    """

    name: str
    given: Mapping[str, Any]
    absent: Mapping[str, Any]
    paths: tuple[str, ...]


def _field(name: str, value: Any, *others: str, **beside: Any) -> Probe:
    absent = chat(**beside)
    return Probe(name, {**absent, name: value}, absent, (name, *others))


def _content(name: str, extra: Mapping[str, Any]) -> Probe:
    question = text("What is this?")
    return Probe(
        name,
        chat(says("user", [question, dict(extra)])),
        chat(says("user", [question])),
        ("messages",),
    )


_LOGIT_BIAS = {"50256": -100}
_PREDICTION = {"type": "content", "content": "15 degrees"}
_NAMED = {"type": "function", "function": {"name": "get_weather"}}
_AUDIO_OUT = {"voice": "alloy", "format": "wav"}

PROBES = (
    _field("temperature", 0.3),
    _field("top_p", 0.4),
    _field("max_tokens", 17),
    _field("max_completion_tokens", 19),
    _field("stop", ["kit-stop"]),
    _field("seed", 77),
    _field("n", 2),
    _field("presence_penalty", 0.6),
    _field("frequency_penalty", 0.7),
    _field("logit_bias", _LOGIT_BIAS),
    _field("logprobs", True),
    _field("top_logprobs", 3, logprobs=True),
    _field("user", "kit-user"),
    _field("metadata", {"kit": "metadata"}),
    _field("store", True),
    _field("service_tier", "flex"),
    _field("reasoning_effort", "low"),
    _field("verbosity", "low"),
    _field("prediction", _PREDICTION),
    _field("web_search_options", {"search_context_size": "low"}),
    _field("modalities", ["text", "audio"], "audio", audio=_AUDIO_OUT),
    _field("response_format", {"type": "json_object"}),
    _field("tools", [WEATHER]),
    _field("tool_choice", "required", tools=[WEATHER]),
    _field("tool_choice", "none", tools=[WEATHER]),
    _field("tool_choice", _NAMED, tools=[WEATHER]),
    _field("parallel_tool_calls", False, tools=[WEATHER]),
    _field("functions", [{"name": "f", "parameters": {"type": "object"}}]),
    _field("a_parameter_of_tomorrow", "kit-value"),
    _content("an image", IMAGE),
    _content("sound", AUDIO),
    _content("a file", FILE),
)
