"""Requests in the form of another endpoint: which are known, and what becomes of them."""

import orjson
import pytest

from tornado_router.endpoints import CHAT_COMPLETIONS, COMPLETIONS, RESPONSES
from tornado_router.endpoints.bridges.astray import form_of, led_back
from tornado_router.errors import ApiError

USER = {"role": "user", "content": "Hello"}


@pytest.mark.parametrize(
    ("endpoint", "body", "form"),
    [
        (CHAT_COMPLETIONS, {"input": "Hello"}, RESPONSES),
        (CHAT_COMPLETIONS, {"input": None}, CHAT_COMPLETIONS),
        (CHAT_COMPLETIONS, {}, CHAT_COMPLETIONS),
        (COMPLETIONS, {"input": "Hello"}, COMPLETIONS),
    ],
)
def test_whose_form_it_is(endpoint, body, form):
    assert form_of(endpoint, body) is form


def led(**fields):
    body = {"model": "m", "input": "Hello", **fields}
    return led_back(RESPONSES.read("req_1", body, orjson.dumps(body)))


def test_it_is_a_chat_completion_from_here_on():
    call = led(instructions="Be brief.", truncation="auto", stream=True)
    assert (call.endpoint, call.model, call.stream) == (CHAT_COMPLETIONS.name, "m", True)
    assert call.body["messages"] == [{"role": "system", "content": "Be brief."}, USER]
    assert call.dropped == ["truncation"]
    CHAT_COMPLETIONS.validator().check(call.body)


def test_what_is_kept_nowhere_is_refused_by_the_clients_name():
    with pytest.raises(ApiError) as caught:
        led(previous_response_id="resp_1")
    assert caught.value.param == "previous_response_id"
