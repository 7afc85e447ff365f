"""W3C trace-context headers, and traces that begin here."""

import pytest

from tornado_router.observability.trace_context import TraceContext, read_trace_context, start_trace

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("header", "sampled"),
    [
        (f"00-{TRACE}-{PARENT}-01", True),
        (f"  00-{TRACE}-{PARENT}-00 ", False),
        (f"00-{TRACE}-{PARENT}-03", True),
        (f"cc-{TRACE}-{PARENT}-01-of-the-future", True),
    ],
)
def test_valid(header, sampled):
    assert read_trace_context(header, "a=b") == TraceContext(TRACE, PARENT, sampled, "a=b")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00-nonsense",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{PARENT}-01-more",
        f"00-{TRACE}-{PARENT}",
    ],
)
def test_invalid(header):
    assert read_trace_context(header, None) is None


def test_a_trace_that_begins_here():
    trace = start_trace(1.0)
    assert read_trace_context(f"00-{trace.trace_id}-{PARENT}-01", None).trace_id == trace.trace_id
    assert trace.sampled
    assert trace.parent_id is None
    assert start_trace(1.0) != trace


def test_a_part_of_the_traces():
    assert start_trace(0) is None
    assert 0 < sum(start_trace(0.5) is not None for _ in range(200)) < 200


def test_a_state_that_is_too_long_is_left_out():
    header = f"00-{TRACE}-{PARENT}-01"
    assert read_trace_context(header, "a=" + "b" * 510).state.endswith("b")
    assert read_trace_context(header, "a=" + "b" * 511).state == ""
