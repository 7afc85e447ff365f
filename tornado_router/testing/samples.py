"""Requests of every endpoint: those of chat completions are in `corpus`."""

from __future__ import annotations

from collections.abc import Mapping

from tornado_router import endpoints
from tornado_router.testing import corpus
from tornado_router.testing.corpus import Sample

EMBEDDINGS = (
    Sample("a text", {"model": "m", "input": "Hello"}),
    Sample("two texts", {"model": "m", "input": ["Hello", "Goodbye"]}),
)
ODD_EMBEDDINGS = (
    Sample("tokens", {"model": "m", "input": [1, 2]}),
    Sample("lists of tokens", {"model": "m", "input": [[1, 2], [3]]}),
    Sample("base64", {"model": "m", "input": "x", "encoding_format": "base64", "dimensions": 64}),
    Sample("nulls", {"model": "m", "input": "x", "encoding_format": None, "dimensions": None}),
    Sample("others' parameters", {"model": "m", "input": "x", "input_type": "query"}),
)

COMPLETIONS = (
    Sample("a prompt", {"model": "m", "prompt": "Hello"}),
    Sample("a prompt in a list", {"model": "m", "prompt": ["Hello"], "max_tokens": 5}),
    Sample("nulls", {"model": "m", "prompt": "x", "suffix": None, "n": None, "stop": None}),
)
ODD_COMPLETIONS = (
    Sample("two prompts", {"model": "m", "prompt": ["Hello", "Goodbye"]}),
    Sample("tokens", {"model": "m", "prompt": [1, 2]}),
    Sample("lists of tokens", {"model": "m", "prompt": [[1, 2], [3]]}),
    Sample("no prompt", {"model": "m", "prompt": None}),
    Sample("an empty list", {"model": "m", "prompt": []}),
    Sample("an empty prompt", {"model": "m", "prompt": ""}),
    Sample("an echo", {"model": "m", "prompt": "x", "echo": True, "logprobs": 2, "max_tokens": 0}),
    Sample("the prompt once more", {"model": "m", "prompt": "x", "echo": True}),
    Sample(
        "options",
        {
            "model": "m",
            "prompt": "x",
            "max_tokens": 9,
            "n": 2,
            "stop": ["y"],
            "temperature": 0.3,
            "top_p": 0.4,
            "presence_penalty": 0.5,
            "frequency_penalty": 0.6,
            "logit_bias": {"50256": -100},
            "seed": 7,
            "user": "kit-user",
        },
    ),
    Sample("a suffix", {"model": "m", "prompt": "x", "suffix": "y"}),
    Sample("candidates", {"model": "m", "prompt": "x", "n": 2, "best_of": 5}),
    Sample("log probabilities", {"model": "m", "prompt": "x", "logprobs": 3}),
    Sample("others' parameters", {"model": "m", "prompt": "x", "top_k": 40}),
)

MODERATIONS = (
    Sample("a text", {"model": "m", "input": "Hello"}),
    Sample("two texts", {"model": "m", "input": ["Hello", "Goodbye"]}),
)
ODD_MODERATIONS = (
    Sample("a text and an image", {"model": "m", "input": [corpus.text("x"), corpus.IMAGE]}),
    Sample("no input", {"model": "m", "input": []}),
    Sample("others' parameters", {"model": "m", "input": "x", "threshold": 0.5}),
)

SAMPLES: Mapping[str, tuple[tuple[Sample, ...], tuple[Sample, ...]]] = {
    endpoints.CHAT_COMPLETIONS.name: (corpus.PLAIN, (*corpus.CAPABLE, *corpus.ODD)),
    endpoints.COMPLETIONS.name: (COMPLETIONS, ODD_COMPLETIONS),
    endpoints.EMBEDDINGS.name: (EMBEDDINGS, ODD_EMBEDDINGS),
    endpoints.MODERATIONS.name: (MODERATIONS, ODD_MODERATIONS),
}
"""By endpoint: what every provider of it serves, and what it may refuse by name."""
