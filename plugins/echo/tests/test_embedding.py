"""Embeddings: the same for the same text, near for texts that share words."""

import base64
import math
import struct

import pytest

from tornado_router.errors import ApiError
from tornado_router.validation import Validator
from tornado_router_echo.embedding import MAX_DIMENSIONS, embed


def vectors(given, **fields):
    body = embed({"model": "echo", "input": given, **fields})
    Validator.load("embeddings.response").check(body)
    assert [item["index"] for item in body["data"]] == list(range(len(body["data"])))
    return [item["embedding"] for item in body["data"]]


def dot(one, other):
    return math.fsum(a * b for a, b in zip(one, other, strict=True))


def test_texts_that_share_words_are_near():
    rain, more_rain, other = vectors(["Rain in Spain", "rain in France", "a llama"])
    assert dot(rain, rain) == pytest.approx(1)
    assert dot(rain, more_rain) > 0.5 > dot(rain, other)
    assert vectors("rain  in Spain") == [rain]


@pytest.mark.parametrize("given", ["", "x", [1, 2, 3], [[1, 2], [3]], ["a", ""]])
def test_every_input_has_a_vector_of_length_one(given):
    for vector in vectors(given, dimensions=7.0):
        assert len(vector) == 7
        assert dot(vector, vector) == pytest.approx(1)


@pytest.mark.parametrize("words", ["a b c d e f g h i j", "up down up down"])
def test_words_that_cancel_each_other_out_still_have_a_direction(words):
    (vector,) = vectors(words, dimensions=1)
    assert abs(vector[0]) == 1


def test_base64_is_what_the_sdk_reads():
    (plain,) = vectors("rain", dimensions=16)
    (encoded,) = vectors("rain", dimensions=16, encoding_format="base64")
    assert struct.unpack("<16f", base64.b64decode(encoded)) == pytest.approx(plain)


def test_usage_counts_words():
    assert embed({"model": "echo", "input": ["a b", "c"]})["usage"] == {
        "prompt_tokens": 3,
        "total_tokens": 3,
    }


def test_too_many_dimensions_are_refused():
    with pytest.raises(ApiError) as caught:
        vectors("x", dimensions=MAX_DIMENSIONS + 1)
    assert (caught.value.status, caught.value.param) == (400, "dimensions")
