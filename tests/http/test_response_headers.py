"""The headers of a response are read and written as Tornado's own, each once."""

import pytest
from tornado.httputil import HTTPHeaders

from tornado_router.http.response_headers import ResponseHeaders


@pytest.fixture(params=[ResponseHeaders, HTTPHeaders])
def headers(request):
    made = request.param({"Content-Type": "text/plain"})
    made["x-one"] = "1"
    made.add("x-two", "2")
    return made


def test_are_read_as_tornados_are(headers):
    assert dict(headers) == {"Content-Type": "text/plain", "X-One": "1", "X-Two": "2"}
    assert list(headers.get_all()) == list(headers.items())
    assert headers["X-ONE"] == headers.get("x-one") == "1"
    assert "content-type" in headers
    assert "X-Three" not in headers
    assert (headers.get("x-three"), headers.get_list("x-three")) == (None, [])
    assert len(headers) == 3


def test_are_changed_as_tornados_are(headers):
    headers["X-ONE"] = "3"
    headers.add("X-TWO", "4")
    del headers["content-type"]
    assert dict(headers) == {"X-One": "3", "X-Two": "2,4"}
    with pytest.raises(KeyError):
        headers["Content-Type"]


def test_are_set_at_once_whatever_the_case():
    headers = ResponseHeaders({"X-One": "1"})
    headers.put({"x-one": "2", "X-two": "3"})
    assert dict(headers) == {"X-One": "2", "X-Two": "3"}
