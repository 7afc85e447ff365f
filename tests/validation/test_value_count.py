"""Values of a JSON text that is not parsed; how they count against a limit: test_parsing."""

import asyncio
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_router.validation import value_count
from tornado_router.validation.value_count import holds_more, holds_more_by_turns

from .json_values import json_values


def counted(value):
    """The values in a JSON value as they count against the limit, but for commas."""
    if isinstance(value, dict):
        return 1 + len(value) + sum(map(counted, value.values()))
    if isinstance(value, list):
        return 1 + sum(map(counted, value))
    return isinstance(value, str)


@given(json_values, st.integers(1, 9), st.booleans())
def test_it_is_counted_the_same_whatever_is_looked_at_together(value, size, ascii_only):
    raw = json.dumps(value, ensure_ascii=ascii_only).encode()
    outside = re.sub(rb'"(\\.|[^"\\])*"', b"", raw)
    values = counted(value) + outside.count(b",") // 10
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(value_count, "_PIECE", size)
        found = [holds_more(raw, limit) for limit in range(values + 2)]
    assert found == [True] * values + [False] * 2


@pytest.mark.parametrize("end", [b"", b'"', b"\\", b'\\"', b"[" * 300])
def test_odd_ends_are_counted_to_the_end(end):
    assert not holds_more(b'["' + b"\\" * 70_000 + end, 60_000)


@pytest.mark.parametrize("text", ["x", '"', "\\", "{,["])
@pytest.mark.parametrize("more", [0, 1])
def test_a_large_text_is_counted_by_turns(text, more):
    raw = json.dumps([text * 5_000_000, *["x"] * (999 + more)]).encode()
    turns = []

    async def turn():
        turns.append(None)

    found = asyncio.run(holds_more_by_turns(raw, 1100, turn))
    assert found is bool(more)
    assert len(turns) == len(raw) // 2**20
