"""Embeddings: vectors cost the tokens of the prompt."""

import orjson
import pytest

from tornado_router.endpoints import EMBEDDINGS
from tornado_router.errors import ProviderError
from tornado_router.provider import Call
from tornado_router.usage import Usage

BODY = {"model": "m", "input": ["x" * 40, "y" * 40]}
CALL = Call("r1", EMBEDDINGS.name, "m", BODY, orjson.dumps(BODY), False)
DATA = [{"object": "embedding", "index": 0, "embedding": [1.0]}]


def test_usage_is_what_the_vendor_reported():
    usage = {"prompt_tokens": 7, "total_tokens": 7}
    assert EMBEDDINGS.whole(CALL, {"data": DATA, "usage": usage}).usage == Usage(7)


def test_usage_is_guessed_from_the_input():
    encoded = EMBEDDINGS.whole(CALL, {"data": DATA})
    assert encoded.usage == Usage(20, estimated=True)
    assert orjson.loads(encoded.data)["usage"]["prompt_tokens"] == 20


def test_a_response_without_vectors_is_none():
    with pytest.raises(ProviderError):
        EMBEDDINGS.whole(CALL, {"choices": [{}]})


def test_equal_calls_have_equal_responses():
    assert EMBEDDINGS.ask(CALL).temperature() is None
