"""Usage in responses that are passed on, whatever vendor reports it."""

import json

import pytest

from tornado_router.endpoints.passed_usage import UsageMeter, usage_in
from tornado_router.usage import Usage


@pytest.mark.parametrize(
    ("body", "usage"),
    [
        ({"usage": {"prompt_tokens": 3, "completion_tokens": 4}}, Usage(3, 4)),
        (
            {
                "usage": {
                    "input_tokens": 3,
                    "output_tokens": 4,
                    "total_tokens": 7,
                    "input_tokens_details": {"cached_tokens": 2},
                }
            },
            Usage(3, 4, 2),
        ),
        (
            {"usage": {"input_tokens": 3, "output_tokens": 4, "cache_read_input_tokens": 5}},
            Usage(8, 4, 5),
        ),
        (
            {
                "usageMetadata": {
                    "promptTokenCount": 9,
                    "candidatesTokenCount": 2,
                    "thoughtsTokenCount": 3,
                    "cachedContentTokenCount": 4,
                }
            },
            Usage(9, 5, 4, reasoning_tokens=3),
        ),
        ({"response": {"usage": {"prompt_tokens": 1, "completion_tokens": 1}}}, Usage(1, 1)),
        ({"usage": None}, None),
        ({"usage": []}, None),
        ({"usageMetadata": {"promptTokenCount": -1}}, None),
        ({}, None),
    ],
)
def test_what_a_response_reports(body, usage):
    assert usage_in(body) == usage


def test_the_events_of_anthropics_stream_add_up():
    meter = UsageMeter()
    for event in (
        {"type": "message_start", "message": {"usage": {"input_tokens": 9, "output_tokens": 1}}},
        {"type": "content_block_delta", "delta": {"text": "usage"}},
        {"type": "message_delta", "usage": {"output_tokens": 5}},
    ):
        meter.read(json.dumps(event).encode())
    assert meter.usage == Usage(9, 5)


def test_what_is_no_event_says_nothing():
    meter = UsageMeter()
    for data in (b"[DONE]", b"usage", b'["usage"]', b'{"usage": 3}'):
        meter.read(data)
    assert meter.usage is None
