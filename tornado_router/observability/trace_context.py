"""Which trace a request is part of: https://www.w3.org/TR/trace-context/."""

from __future__ import annotations

import random
import re
from typing import NamedTuple

_TRACEPARENT = re.compile(
    "(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?"
)
_SAMPLED = 1

MAX_STATE = 512
"""Of a `tracestate`, characters that have to be passed on: section 3.3.1.5. A longer one is not."""


class TraceContext(NamedTuple):
    """A trace that a request is part of.

    Attributes:
        trace_id: 32 hexadecimal digits.
        parent_id: 16 of them, the client's span; None if the trace begins here.
        sampled: whether the request is to be exported.
        state: the header `tracestate`, or empty.
    """

    trace_id: str
    parent_id: str | None = None
    sampled: bool = True
    state: str = ""


def read_trace_context(traceparent: str, tracestate: str | None) -> TraceContext | None:
    """The trace that a client names in its request's W3C trace-context headers, or None."""
    match = _TRACEPARENT.fullmatch(traceparent.strip())
    if match is None:
        return None
    version, trace_id, parent_id, flags, more = match.groups()
    if more and version == "00":
        return None
    state = tracestate if tracestate and len(tracestate) <= MAX_STATE else ""
    return TraceContext(trace_id, parent_id, bool(int(flags, 16) & _SAMPLED), state)


def start_trace(sample_ratio: float) -> TraceContext | None:
    """A new trace, or None if this request is not sampled."""
    if sample_ratio < 1 and random.random() >= sample_ratio:  # noqa: S311 - no secret
        return None
    return TraceContext(f"{random.getrandbits(128) or 1:032x}")
