"""Moderations: they cost nothing, unless the vendor counts tokens."""

import orjson
import pytest

from tornado_router.endpoints import MODERATIONS
from tornado_router.errors import ProviderError
from tornado_router.usage import Usage

RESPONSE = {"id": "modr-1", "model": "omni-moderation-latest", "results": [{"flagged": False}]}


def read(**body):
    return MODERATIONS.read("r1", body, orjson.dumps(body))


def test_the_default_model_is_openais():
    call = read(input="x")
    assert call.model == call.body["model"] == "omni-moderation-latest"
    assert orjson.loads(call.raw) == call.body


def test_nothing_is_reserved():
    ask = MODERATIONS.ask(read(input="x" * 400))
    assert (ask.prompt(), ask.output()) == ((0, 0), (0, 0))
    assert ask.context() >= 100
    assert ask.temperature() is None


def test_usage_is_nothing_and_is_not_made_up():
    encoded = MODERATIONS.whole(read(input="x"), RESPONSE)
    assert encoded.usage == Usage()
    assert orjson.loads(encoded.data) == RESPONSE


def test_tokens_that_a_vendor_reports_count():
    usage = {"prompt_tokens": 5, "completion_tokens": 0, "total_tokens": 5}
    assert MODERATIONS.whole(read(input="x"), {**RESPONSE, "usage": usage}).usage == Usage(5)


def test_a_response_without_results_is_none():
    with pytest.raises(ProviderError):
        MODERATIONS.whole(read(input="x"), {"id": "modr-1"})
