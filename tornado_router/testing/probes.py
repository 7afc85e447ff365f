"""Parameters, one by one, each with a value that has to show in the request to the vendor.

A request is built with the parameter and without. If both are the same, the parameter was lost on
the way, and the provider has to have reported it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tornado_router.testing.corpus import AUDIO, FILE, IMAGE, PNG, WEATHER, chat, says, text


@dataclass(frozen=True)
class Probe:
    """One parameter.

    Attributes:
        name: of the parameter.
        given: a body that has it.
        absent: the same body without it.
        paths: what a refusal may name as `param`, or begin with.
        field: what `Translator.unsupported_fields` calls it.
        capability: the word of a provider that promises to serve it, if there is one.
    """

    name: str
    given: Mapping[str, Any]
    absent: Mapping[str, Any]
    paths: tuple[str, ...]
    field: str = ""
    capability: str = ""

    def is_named(self, path: str) -> bool:
        """Whether a path, as of a refusal, is that of the parameter, or of a part of it."""
        return any(re.match(rf"{re.escape(start)}($|[.\[])", path) for start in self.paths)


def _field(name: str, value: Any, *others: str, **beside: Any) -> Probe:
    absent = chat(**beside)
    return Probe(name, {**absent, name: value}, absent, (name, *others), name)


def _content(name: str, extra: Mapping[str, Any]) -> Probe:
    question = text("What is this?")
    return Probe(
        name,
        chat(says("user", [question, dict(extra)])),
        chat(says("user", [question])),
        ("messages",),
        f"messages.content.{extra['type']}",
    )


def _member(name: str, field: str, given: Mapping[str, Any], absent: Mapping[str, Any]) -> Probe:
    """What is inside a field: `Params` knows nothing of it."""
    return Probe(name, given, absent, (field.partition(".")[0],), field)


def _strict(tool: Mapping[str, Any]) -> dict[str, Any]:
    return {**tool, "function": {**tool["function"], "strict": True}}


_SMALL = {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}}
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
    _field("safety_identifier", "kit-person"),
    _field("prompt_cache_key", "kit-key"),
    _field("prompt_cache_retention", "24h"),
    _field("service_tier", "flex"),
    _field("reasoning_effort", "low"),
    _field("verbosity", "low"),
    _field("prediction", _PREDICTION),
    _field("web_search_options", {"search_context_size": "low"}),
    _field("modalities", ["text", "audio"], "audio", audio=_AUDIO_OUT),
    replace(_field("response_format", {"type": "json_object"}), capability="json_object"),
    _field("tools", [WEATHER]),
    _field("tool_choice", "required", tools=[WEATHER]),
    _field("tool_choice", "none", tools=[WEATHER]),
    _field("tool_choice", _NAMED, tools=[WEATHER]),
    _field("parallel_tool_calls", False, tools=[WEATHER]),
    _field("functions", [{"name": "f", "parameters": {"type": "object"}}]),
    _field("a_parameter_of_tomorrow", "kit-value"),
    _member(
        "the name of a message",
        "messages.name",
        chat(says("user", "Hello", name="kit-name")),
        chat(says("user", "Hello")),
    ),
    _member(
        "the detail of an image",
        "messages.content.image_url.detail",
        chat(says("user", [_SMALL])),
        chat(says("user", [IMAGE])),
    ),
    _member(
        "strict of a tool", "tools.strict", chat(tools=[_strict(WEATHER)]), chat(tools=[WEATHER])
    ),
    _content("an image", IMAGE),
    _content("sound", AUDIO),
    _content("a file", FILE),
)
