"""Errors in the form of a family of endpoints."""

import orjson

from tornado_router.endpoints import OPENAI
from tornado_router.errors import ApiError
from tornado_router.sse import Decoder


def test_an_error_is_an_event_of_its_name_and_no_done_follows():
    error = ApiError(502, "It broke off.\nReally.", type="api_error", code="x")
    (event,) = Decoder().feed(OPENAI.error_event(error))
    assert event.name == "error"
    assert orjson.loads(event.data) == OPENAI.error_body(error) == error.body()
