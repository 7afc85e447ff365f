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

IMAGES = (
    Sample("an image", {"model": "m", "prompt": "A lighthouse"}),
    Sample("nulls", {"model": "m", "prompt": "x", "size": None, "n": None, "style": None}),
    Sample("a square", {"model": "m", "prompt": "x", "size": "1024x1024", "n": 1}),
)
ODD_IMAGES = (
    Sample("two images", {"model": "m", "prompt": "x", "n": 2}),
    Sample(
        "options",
        {
            "model": "m",
            "prompt": "x",
            "size": "1536x1024",
            "quality": "high",
            "background": "transparent",
            "output_format": "webp",
            "output_compression": 50,
            "moderation": "low",
            "user": "u",
        },
    ),
    Sample("a URL", {"model": "m", "prompt": "x", "response_format": "url", "style": "vivid"}),
    Sample("any size", {"model": "m", "prompt": "x", "size": "auto", "quality": "auto"}),
    Sample("a strip", {"model": "m", "prompt": "x", "size": "5x1"}),
    Sample("others' parameters", {"model": "m", "prompt": "x", "seed": 7}),
)
