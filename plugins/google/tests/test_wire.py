from __future__ import annotations

import orjson
import pytest

from tornado_router.provider import ApiError, ProviderError
from tornado_router_google.wire import dump, load


def test_what_orjson_cannot_write_is_written_all_the_same():
    assert dump({"a": 2**70}) == b'{"a":%d}' % 2**70
    assert orjson.loads(dump({"a": "é\ud83d", "b": 2**70}).replace(b"\\ud83d", b"")) is not None


def test_nesting_without_end_is_refused():
    body = {}
    for _ in range(200_000):
        body = {"a": body}
    with pytest.raises(ApiError) as caught:
        dump(body)
    assert (caught.value.status, caught.value.param) == (400, "messages")
    while body:  # or its end recurses, too
        body = body.pop("a")


@pytest.mark.parametrize("data", [b"", b"x", b"[1]", b"null", b'"x"', b"\xff"])
def test_what_is_no_object_is_a_502(data):
    with pytest.raises(ProviderError, match="'google'") as caught:
        load("google", data)
    assert caught.value.status == 502
