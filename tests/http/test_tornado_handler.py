"""What the router relies on of Tornado's handlers beyond their documented interface.

If one of these fails after an update of Tornado, `tornado_handler` is the one module to change.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from tornado.testing import AsyncHTTPTestCase
from tornado.web import Application, Finish, HTTPError, RequestHandler

from tornado_router.background.turns import Turns
from tornado_router.http.handler_delegate import HandlerDelegate
from tornado_router.http.tornado_handler import TornadoHandler


class Plain:
    async def get(self):
        self.set_header("X-One", "1")
        self.write("hello")


class Named:
    async def get(self, name):
        self.write(f"hello {name}")

    async def post(self, name):
        self.write(self.request.body)


class Refused:
    async def prepare(self):
        if self.request.method == "GET":
            raise HTTPError(409)
        self.finish("served before")

    async def post(self):
        raise AssertionError("it has responded")


class Failing:
    async def get(self):
        raise RuntimeError("a secret")

    async def post(self):
        raise Finish

    async def put(self):
        await asyncio.shield(self._cancelled())

    async def patch(self):
        asyncio.current_task().cancel()
        await asyncio.sleep(0)

    async def _cancelled(self):
        raise asyncio.CancelledError


class Cleared:
    async def get(self):
        self.set_status(418)
        self.set_header("X-One", "1")
        self.write("gone")
        self.clear()
        self.finish("hello")


class Whole:
    async def post(self):
        self.set_status(201)
        self.set_header("Content-Length", "5")
        self.respond(b"hello")

    async def put(self):
        self.set_header("X-One", "1")
        self.begin(b"hel")
        self.end(b"lo")


class Cheap(TornadoHandler):
    def set_default_headers(self):
        self.set_headers({"Content-Type": "text/html; charset=UTF-8"})


class Own(RequestHandler):
    def set_default_headers(self):
        self.clear_header("Server")

    def respond(self, body):
        self.finish(body)

    def begin(self, part):
        self.write(part)
        self.flush()

    end = respond


HANDLERS = {
    "/plain": Plain,
    "/named/(.+)": Named,
    "/refused": Refused,
    "/failing": Failing,
    "/cleared": Cleared,
    "/whole": Whole,
}


class CheapApplication(Application):
    def get_handler_delegate(self, request, target_class, *args, path_args=(), **kwargs):
        if issubclass(target_class, TornadoHandler):
            return HandlerDelegate(
                self, request, target_class, {}, path_args, turns=Turns("request", 100)
            )
        kwargs["path_args"] = path_args
        return super().get_handler_delegate(request, target_class, *args, **kwargs)


class TestTornadoHandler(AsyncHTTPTestCase):
    def get_app(self):
        return CheapApplication(
            [(path, type("Ours", (kind, Cheap), {})) for path, kind in HANDLERS.items()]
            + [("/own" + path, type("Own", (kind, Own), {})) for path, kind in HANDLERS.items()]
        )

    def assert_same(self, path, **options):
        ours, own = (self.fetch(start + path, **options) for start in ("", "/own"))
        assert ours.code == own.code
        assert ours.body == own.body
        assert {**ours.headers, "Date": ""} == {**own.headers, "Date": ""}
        return ours

    def test_a_response_is_what_tornado_makes_of_it(self):
        self.assert_same("/plain")
        assert self.assert_same("/cleared").body == b"hello"
        assert self.assert_same("/named/a%20b%C3%A9").body == "hello a bé".encode()
        assert self.assert_same("/whole", method="POST", body="").code == 201
        assert self.assert_same("/whole", method="PUT", body="").body == b"hello"
        assert self.assert_same("/named/x", method="POST", body="all of it").body == b"all of it"

    def test_a_refusal_is_what_tornado_makes_of_it(self):
        assert self.assert_same("/plain", method="DELETE").code == 405
        assert self.assert_same("/plain", method="BREW", allow_nonstandard_methods=True).code == 405
        assert self.assert_same("/named/%FF").code == 400
        assert self.assert_same("/refused").code == 409
        served = self.assert_same("/refused", method="POST", body="")
        assert (served.code, served.body) == (200, b"served before")

    def test_a_failure_is_what_tornado_makes_of_it(self):
        assert self.assert_same("/failing").code == 500
        assert self.assert_same("/failing", method="POST", body="").code == 200
        assert self.assert_same("/failing", method="PUT", body="").code == 500
        assert self.assert_same("/failing", method="PATCH", body="").code == 500

    def test_it_has_the_date(self):
        date = parsedate_to_datetime(self.fetch("/plain").headers["Date"])
        assert abs(datetime.now(UTC) - date) < timedelta(minutes=1)
