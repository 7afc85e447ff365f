"""Requests of endpoints whose responses are media."""

from __future__ import annotations

from tornado_router.testing import corpus
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
EDITS = (
    Sample("an image", {"model": "m", "image": "cat.png", "prompt": "Add a hat"}),
    Sample("images in a list", {"model": "m", "image": ["a.png", "b.jpg"], "prompt": "x"}),
    Sample("the model behind the image", {"image": "cat.png", "prompt": "x", "model": "m"}),
)
ODD_EDITS = (
    Sample("a mask", {"model": "m", "image": "a.png", "mask": "mask.png", "prompt": "x", "n": 2}),
    Sample(
        "options",
        {
            "model": "m",
            "image": "a.png",
            "prompt": "x",
            "size": "1536x1024",
            "quality": "high",
            "input_fidelity": "high",
            "output_format": "webp",
            "output_compression": 50,
            "user": "u",
        },
    ),
    Sample(
        "JSON",
        {"model": "m", "images": [{"image_url": "https://example.org/a.png"}], "prompt": "x"},
    ),
    Sample(
        "JSON with a mask",
        {
            "model": "m",
            "images": [{"file_id": "file-1"}, {"image_url": corpus.PNG}],
            "mask": {"file_id": "file-2"},
            "prompt": "x",
        },
    ),
    Sample("others' parameters", {"model": "m", "image": "a.png", "prompt": "x", "seed": "7"}),
)
VARIATIONS = (Sample("an image", {"model": "m", "image": "cat.png"}),)
ODD_VARIATIONS = (
    Sample("two as URLs", {"model": "m", "image": "a.png", "n": 2, "response_format": "url"}),
    Sample("a size", {"model": "m", "image": "a.png", "size": "256x256", "user": "u"}),
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
