"""Strategies for JSON values, right and wrong."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

_numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)

json_values = st.recursive(
    st.none() | st.booleans() | _numbers | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)

# What a mistaken client puts in place of something else, and what lies at the edge of a type.
_odd_values = st.sampled_from(
    [
        *(None, True, False, 0, 1, -1, 1.0, 1.5, 10**30, -(10**400), 1e300),
        *("", "x", "text", "user", "tool", "function", "get weather", "é" * 600, "n/~0~1."),
        *([], [[]], [{}], ["x"] * 6, [1, "x"]),
        *({}, {"type": "text"}, {"type": "function"}, {"role": "user"}, {"50": 500, "a/b~c": 1}),
        *({"k" * 70: "v"}, {str(n): "v" for n in range(20)}),
    ]
).map(copy.deepcopy)  # as what is drawn may be mutated in its turn


@st.composite
def mutated(draw: st.DrawFn, bodies: list[Any]) -> Any:
    """A body of these in which one place, or two, are something else, are gone, or are new."""
    body = copy.deepcopy(draw(st.sampled_from(bodies)))
    for _ in range(draw(st.integers(1, 2))):
        body = _mutate(draw, body)
    return body


def _mutate(draw: st.DrawFn, value: Any) -> Any:
    if not isinstance(value, dict | list) or not value or draw(st.integers(0, 9)) == 0:
        return draw(_odd_values | json_values)
    key = draw(st.sampled_from(list(value) if isinstance(value, dict) else range(len(value))))
    action = draw(st.sampled_from(["deeper", "deeper", "deeper", "drop", "add"]))
    if action == "deeper":
        value[key] = _mutate(draw, value[key])
    elif action == "drop":
        del value[key]
    elif isinstance(value, list):
        value.append(draw(_odd_values))
    else:
        name = draw(st.sampled_from(["type", "role", "content", "name", "text"]) | st.text())
        value[name] = draw(_odd_values)
    return value
