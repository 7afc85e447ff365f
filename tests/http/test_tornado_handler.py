"""What the router relies on of Tornado's handlers beyond their documented interface.

If one of these fails after an update of Tornado, `tornado_handler` is the one module to change.
"""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from tornado.testing import AsyncHTTPTestCase
from tornado.web import Application, RequestHandler

from tornado_router.http.tornado_handler import TornadoHandler


class Plain:
    def get(self):
        self.set_header("X-One", "1")
        self.write("hello")


class Cleared:
    def get(self):
        self.set_status(418)
        self.set_header("X-One", "1")
        self.write("gone")
        self.clear()
        self.finish("hello")


class Cheap(TornadoHandler):
    def set_default_headers(self):
        self.set_headers({"Content-Type": "text/html; charset=UTF-8"})


class Own(RequestHandler):
    def set_default_headers(self):
        self.clear_header("Server")


class TestTornadoHandler(AsyncHTTPTestCase):
    def get_app(self):
        return Application(
            [
                ("/plain", type("CheapPlain", (Plain, Cheap), {})),
                ("/cleared", type("CheapCleared", (Cleared, Cheap), {})),
                ("/own/plain", type("OwnPlain", (Plain, Own), {})),
                ("/own/cleared", type("OwnCleared", (Cleared, Own), {})),
            ]
        )

    def test_a_response_is_what_tornado_makes_of_it(self):
        for path in ("/plain", "/cleared"):
            ours, own = self.fetch(path), self.fetch(f"/own{path}")
            assert ours.code == own.code
            assert ours.body == own.body
            assert set(ours.headers) == set(own.headers)
            assert {**ours.headers, "Date": ""} == {**own.headers, "Date": ""}

    def test_it_has_the_date(self):
        date = parsedate_to_datetime(self.fetch("/plain").headers["Date"])
        assert abs(datetime.now(UTC) - date) < timedelta(minutes=1)
