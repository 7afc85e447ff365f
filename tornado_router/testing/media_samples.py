"""Requests of endpoints whose responses are media."""

from __future__ import annotations

from tornado_router.testing.corpus import Sample

SPEECH = (
    Sample("a sentence", {"model": "m", "input": "Hello", "voice": "alloy"}),
    Sample(
        "nulls", {"model": "m", "input": "x", "voice": "a", "speed": None, "instructions": None}
    ),
)
ODD_SPEECH = (
    Sample(
        "options",
        {
            "model": "m",
            "input": "Grüße!",
            "voice": "coral",
            "instructions": "Slowly.",
            "response_format": "wav",
            "speed": 0.5,
        },
    ),
    Sample("events", {"model": "m", "input": "x", "voice": "a", "stream_format": "sse"}),
    Sample("a voice by its id", {"model": "m", "input": "x", "voice": {"id": "voice_1"}}),
    Sample("others' parameters", {"model": "m", "input": "x", "voice": "a", "language": "de"}),
)
