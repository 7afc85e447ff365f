"""What clients send by a websocket."""

import json

import pytest

from tornado_router.endpoints.socket_events import read_event
from tornado_router.errors import ApiError


@pytest.mark.parametrize("message", ["", "[]", "{}", '{"type":1}', '{"type":"a","type":"b"}'])
def test_what_is_no_event(message):
    with pytest.raises(ApiError) as caught:
        read_event(message.encode(), 1000)
    assert caught.value.status == 400


def test_an_event_may_hold_so_many_values():
    with pytest.raises(ApiError):
        read_event(json.dumps({"type": "a", "b": [[]] * 2000}).encode(), 1000)
