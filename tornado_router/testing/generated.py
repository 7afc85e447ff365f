"""Requests that hypothesis makes up: each fits the schema, few make sense."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from hypothesis import strategies as st

from tornado_router.endpoints import CHAT_COMPLETIONS, ENDPOINTS
from tornado_router.errors import ApiError
from tornado_router.testing import corpus
from tornado_router.testing.json_paths import GONE, look_up, places, replaced
from tornado_router.testing.samples import SAMPLES

_words = st.sampled_from(["", " ", "hi", "\u2028", "\x00", "é漢🎉", "a" * 300]) | st.text(
    max_size=8
)
_names = st.sampled_from(["get_weather", "get_time", "f"])
_ids = st.sampled_from(["call_1", "call_2", "", "é", "x" * 80])
_arguments = st.sampled_from(["{}", "", '{"city": "Paris"}', "[1]", "null", "{", '"x"', "\u2028"])

_schemas = st.sampled_from(
    [
        corpus.SCHEMA,
        {},
        {"type": "object"},
        {"type": ["object", "null"], "additionalProperties": True},
        {"type": "object", "properties": {"a": {"enum": ["x", 1, None]}, "b": {"const": 1}}},
        {"anyOf": [{"type": "object"}, {"type": "null"}]},
        {"$ref": "#/$defs/a", "$defs": {"a": {"type": "object", "required": ["a"]}}},
        {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string"}}}},
    ]
)
_tools = st.builds(
    lambda name, fields: {"type": "function", "function": {"name": name, **fields}},
    _names,
    st.fixed_dictionaries(
        {},
        optional={
            "description": st.none() | _words,
            "parameters": st.none() | _schemas,
            "strict": st.sampled_from([None, True, False]),
        },
    ),
)
_parts = (
    _words.map(corpus.text)
    | st.sampled_from([corpus.IMAGE, corpus.AUDIO, corpus.FILE])
    | st.sampled_from(["https://example.org/a.png", "data:image/png;base64,!", "data:", ""]).map(
        lambda url: {"type": "image_url", "image_url": {"url": url}}
    )
)
_texts = _words | st.lists(_words.map(corpus.text), max_size=3)
_contents = _words | st.lists(_parts, max_size=3)
_calls = st.lists(st.tuples(_ids, _names, _arguments), min_size=1, max_size=3)
_messages = st.one_of(
    st.builds(corpus.says, st.sampled_from(["system", "developer"]), _texts),
    st.builds(corpus.says, st.just("user"), _contents),
    st.builds(corpus.says, st.just("assistant"), st.none() | _texts),
    _calls.map(lambda calls: corpus.called(*calls)),
    st.builds(corpus.result, _ids, _texts),
)


@st.composite
def _round_trips(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Calls and their results, in whatever order."""
    calls = draw(_calls)
    refs = draw(st.permutations([ref for ref, _, _ in calls]))
    return [corpus.called(*calls), *(corpus.result(ref, draw(_texts)) for ref in refs)]


_conversations = st.lists(_messages.map(lambda message: [message]) | _round_trips(), max_size=4)

_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "temperature": st.floats(0, 2),
    "top_p": st.floats(0, 1),
    "max_tokens": st.integers(1, 2**40),
    "max_completion_tokens": st.integers(1, 2**40),
    "n": st.integers(1, 128),
    "stop": _words | st.lists(_words, min_size=1, max_size=4),
    "seed": st.integers(-(2**63), 2**63 - 1),
    "presence_penalty": st.floats(-2, 2),
    "frequency_penalty": st.integers(-2, 2),
    "logprobs": st.booleans(),
    "user": _words,
    "metadata": st.dictionaries(_words, _words, max_size=2),
    "reasoning_effort": st.sampled_from(["none", "minimal", "low", "high", "max", "tomorrow"]),
    "response_format": st.sampled_from([{"type": "text"}, {"type": "json_object"}])
    | st.builds(
        lambda schema, strict: {
            "type": "json_schema",
            "json_schema": {"name": "x", "schema": schema, "strict": strict},
        },
        st.none() | _schemas,
        st.sampled_from([None, True, False]),
    ),
    "parallel_tool_calls": st.booleans(),
    "stream": st.booleans(),
    "a_parameter_of_tomorrow": st.sampled_from([1, "x", {}, []]),
}
_fields = st.fixed_dictionaries(
    {}, optional={name: st.none() | values for name, values in _FIELDS.items()}
)
_choices = st.sampled_from(["auto", "none", "required"]) | _names.map(
    lambda name: {"type": "function", "function": {"name": name}}
)


@st.composite
def _composed(draw: st.DrawFn) -> dict[str, Any]:
    """A conversation, with some parameters."""
    turns = draw(_conversations)
    messages = [message for turn in turns for message in turn]
    body: dict[str, Any] = {"model": "m", "messages": messages or [corpus.USER], **draw(_fields)}
    tools = draw(st.none() | st.lists(_tools, max_size=3))
    if tools is not None:
        body["tools"] = tools
    if tools and draw(st.booleans()):
        body["tool_choice"] = draw(_choices)
    return body


_odd_values: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(None, True, False, 0, 1, -1, 1.5, 10**15, 1e300),
        *("", "x", "user", "tool", "function", "auto", "none", "get weather", "\u2028"),
        *([], [[]], [{}], ["x"], {}, {"type": "text"}, {"type": "function"}, {"type": "x"}),
    ]
)


@st.composite
def _mutated(draw: st.DrawFn, bodies: list[Mapping[str, Any]]) -> Any:
    """A usual body with one place, or two, that are odd or gone."""
    body: Any = dict(draw(st.sampled_from(bodies)))
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from([path for path in places(body) if path]))
        missing = isinstance(look_up(body, path[:-1]), dict) and draw(st.booleans())
        body = replaced(body, path, GONE if missing else draw(_odd_values))
        if not isinstance(body.get("messages"), list):
            return body
    return body


@lru_cache
def requests(endpoint: str) -> st.SearchStrategy[dict[str, Any]] | None:
    """Bodies that fit the schema of an endpoint; None for one that the kit knows no bodies of."""
    samples = SAMPLES.get(endpoint)
    if samples is None:
        return None
    validator = ENDPOINTS[endpoint].validator()
    bodies = [sample.body for kind in samples for sample in kind]
    mutated = _mutated(bodies)
    candidates = _composed() | mutated if endpoint == CHAT_COMPLETIONS.name else mutated

    def valid(body: Any) -> bool:
        try:
            validator.check(body)
        except ApiError:
            return False
        return True

    return candidates.map(lambda body: body if valid(body) else copy.deepcopy(dict(bodies[0])))
