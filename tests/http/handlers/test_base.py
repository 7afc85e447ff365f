"""What every request has in common: ids, errors as OpenAI's object, one line in the log."""

import io
import json
from contextlib import suppress

import orjson
import pytest
from loguru import logger
from tornado.simple_httpclient import HTTPStreamClosedError
from tornado.web import HTTPError

from tornado_router.accounts import users
from tornado_router.config.options import LogOptions
from tornado_router.errors import ApiError
from tornado_router.http.handlers.base import BaseHandler
from tornado_router.observability.log import AccessLog

PROMPT = "my secret prompt"

pytestmark = pytest.mark.sqlite_suffices


class FaultyHandler(BaseHandler):
    """Raises what it is asked for."""

    open = True

    async def get(self, what):
        match what:
            case "api":
                raise ApiError(429, "Slow down.", code="slow", headers={"Retry-After": "7"})
            case "http":
                raise HTTPError(418, "a teapot")
            case "bare":
                raise HTTPError(400)
            case "written":
                self.write("half an answer")
                await self.flush()
        api_key = "sk-hunter2"
        raise KeyError(PROMPT + api_key)


@pytest.fixture
def app(app):
    """The application, with a path that fails and a log that is kept."""
    app.application.add_handlers(".*", [(r"/fail/(.+)", FaultyHandler, {"services": app.services})])
    app.lines = io.StringIO()
    app.services.access_log.close()
    app.services.access_log = AccessLog(LogOptions(format="json"), app.lines)
    return app


@pytest.fixture
def logged():
    lines = []
    sink = logger.add(lambda message: lines.append(str(message)), level="WARNING")
    yield lines
    logger.remove(sink)


@pytest.fixture
def ask(http_client, base_url):
    async def ask(path, method="GET", **headers):
        body = b"{}" if method == "POST" else None
        return await http_client.fetch(
            base_url + path, method=method, headers=headers, body=body, raise_error=False
        )

    return ask


def access_lines(app):
    app.services.access_log.close()
    return [json.loads(line) for line in app.lines.getvalue().splitlines()]


def error(answer):
    assert answer.headers["Content-Type"] == "application/json"
    body = orjson.loads(answer.body)
    assert list(body) == ["error"]
    assert list(body["error"]) == ["message", "type", "param", "code"]
    return body["error"]


class TestRequestId:
    @pytest.mark.gen_test
    async def test_one_is_made(self, ask):
        first, second = (await ask("/health")).headers, (await ask("/health")).headers
        assert first["X-Request-Id"].startswith("req_")
        assert first["X-Request-Id"] != second["X-Request-Id"]

    @pytest.mark.parametrize("given", ["mine", "a-b_c.d:e/f+g=h@i", "x" * 128])
    @pytest.mark.gen_test
    async def test_the_clients_own_is_kept(self, ask, given):
        for path in ("/health", "/nope", "/v1/models", "/fail/bug"):
            answer = await ask(path, **{"X-Request-Id": given})
            assert answer.headers["X-Request-Id"] == given

    @pytest.mark.gen_test
    async def test_unless_it_holds_a_secret(self, ask, app, key):
        for given in (key, f"job:{key}", "sk-proj-0123456789abcdefghij"):
            answer = await ask("/nope", **{"X-Request-Id": given})
            assert answer.headers["X-Request-Id"].startswith("req_")
        assert "sk-" not in json.dumps(access_lines(app))

    @pytest.mark.parametrize("given", ["", "a b", "x" * 129, "<script>", "a\tb", '"', "\u00e9"])
    @pytest.mark.gen_test
    async def test_unless_it_could_do_harm(self, ask, given):
        answer = await ask("/health", **{"X-Request-Id": given})
        assert answer.headers["X-Request-Id"].startswith("req_")


class TestErrors:
    @pytest.mark.gen_test
    async def test_an_api_error_is_rendered_once(self, ask):
        answer = await ask("/fail/api")
        assert (answer.code, answer.headers["Retry-After"]) == (429, "7")
        assert error(answer)["message"] == "Slow down."
        assert error(answer)["code"] == "slow"

    @pytest.mark.parametrize(
        ("what", "status", "message"),
        [("http", 418, "a teapot"), ("bare", 400, "The request cannot be read.")],
    )
    @pytest.mark.gen_test
    async def test_tornados_own_errors_are_rendered_too(self, ask, what, status, message):
        answer = await ask(f"/fail/{what}")
        assert answer.code == status
        assert error(answer)["message"] == message

    @pytest.mark.gen_test
    async def test_anything_unexpected_is_a_500_without_details(self, ask, logged):
        answer = await ask("/fail/bug")
        assert answer.code == 500
        assert error(answer) == {
            "message": "The router had an error while processing your request.",
            "type": "server_error",
            "param": None,
            "code": "internal_error",
        }
        text = "".join(logged)
        assert "KeyError in request req_" in text
        assert "in get" in text
        assert PROMPT not in text + str(answer.body)
        assert "hunter2" not in text + str(answer.body)

    @pytest.mark.gen_test
    async def test_behind_the_first_byte_the_connection_is_cut(self, ask, app, logged):
        with pytest.raises(HTTPStreamClosedError):  # what came does not look whole
            await ask("/fail/written")
        assert PROMPT not in "".join(logged)
        (line,) = access_lines(app)
        assert line["path"] == "/fail/written"

    @pytest.mark.parametrize("path", ["/v1", "/v1/chat", "/v1/own", "/admin/models", "/x"])
    @pytest.mark.gen_test
    async def test_an_unknown_path(self, ask, path):
        answer = await ask(path)
        assert answer.code == 404
        assert error(answer)["message"] == f"Invalid URL (GET {path})"
        assert error(answer)["code"] == "unknown_url"

    @pytest.mark.gen_test
    async def test_a_method_that_there_is_not(self, ask, key):
        allowed = {"/v1/models": "GET", "/health": "GET, HEAD", "/v1/chat/completions": "POST"}
        for path, methods in allowed.items():
            answer = await ask(path, "DELETE", Authorization=f"Bearer {key}")
            assert (answer.code, answer.headers["Allow"]) == (405, methods)
            assert error(answer)["code"] == "method_not_allowed"


class TestLog:
    @pytest.mark.gen_test
    async def test_one_line_for_each_request(self, ask, app, key):
        await ask("/health", **{"X-Request-Id": "a"})
        await ask("/v1/models", Authorization=f"Bearer {key}", **{"X-Request-Id": "b"})
        await ask("/v1/models", **{"X-Request-Id": "c"})
        await ask("/nope?secret=1", **{"X-Request-Id": "d"})
        await ask("/fail/bug", **{"X-Request-Id": "e"})
        told = ("request_id", "path", "status", "key_name", "error_code")
        assert [tuple(line[name] for name in told) for line in access_lines(app)] == [
            ("a", "/health", 200, None, None),
            ("b", "/v1/models", 200, "test", None),
            ("c", "/v1/models", 401, None, "invalid_request_error"),
            ("d", "/nope", 404, None, "unknown_url"),
            ("e", "/fail/bug", 500, None, "internal_error"),
        ]

    @pytest.mark.gen_test
    async def test_who_asked_is_told(self, ask, app, key):
        user = app.storage.call(lambda: users.find_user(1))
        token = app.services.accounts.sessions.begin(user).token
        await ask("/v1/models", Authorization=f"Bearer {key}")
        await ask("/admin/request-logs", Authorization=f"Bearer {token}")
        await ask("/health")
        assert [line["user_id"] for line in access_lines(app)] == [1, 1, None]

    @pytest.mark.gen_test
    async def test_no_key_is_in_it(self, ask, app, key):
        for path in ("/health", "/v1/models", "/fail/bug"):
            await ask(path, Authorization=f"Bearer {key}")
        assert len(access_lines(app)) == 3
        assert key not in app.lines.getvalue()


class TestStopping:
    @pytest.mark.gen_test
    async def test_connections_are_let_go(self, ask, app):
        for path in ("/health", "/nope", "/v1/models"):
            app.services.requests.stopping = False
            answer = await ask(path, Connection="keep-alive")
            assert "Connection" not in answer.headers
            app.services.requests.stopping = True
            answer = await ask(path, Connection="keep-alive")
            assert answer.headers["Connection"] == "close", path

    @pytest.mark.gen_test
    async def test_no_request_is_left_over(self, ask, app):
        for path in ("/health", "/nope", "/v1/models", "/fail/bug", "/fail/written"):
            with suppress(HTTPStreamClosedError):
                await ask(path)
        assert app.services.requests.count == 0
