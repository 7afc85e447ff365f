from tornado.httputil import HTTPHeaders

from tornado_router.http.request_header import header


class TestHeader:
    def test_is_what_tornado_has_of_it(self):
        headers = HTTPHeaders({"X-Plain": "one", "x-empty": ""})
        headers.add("X-Twice", "one")
        headers.add("x-twice", "two")
        for name in ("X-Plain", "x-plain", "X-Empty", "x-twice", "X-Absent"):
            assert header(headers, name) == headers.get(name)
