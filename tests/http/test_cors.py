"""Which web pages may call the router from a browser."""

import re
from pathlib import Path

import pytest
from tornado.httpclient import HTTPRequest

from tornado_router.config.options import CorsOptions
from tornado_router.endpoints.dialects import ANTHROPIC
from tornado_router.http import cors
from tornado_router.limits.kinds import KINDS

pytestmark = pytest.mark.sqlite_suffices

ECHO = '[providers.echo]\ntype = "echo"\nmodels = ["echo"]\n'
PACKAGE = Path(cors.__file__).parents[1]
PAGE = "https://app.example.com"


def test_without_origins_nothing_is_said():
    assert cors.response_headers(CorsOptions(), PAGE) == {}
    assert not cors.is_allowed(CorsOptions(), PAGE)


@pytest.mark.parametrize(
    ("origins", "origin", "allowed"),
    [
        ((PAGE,), PAGE, True),
        ((PAGE,), "https://app.example.com.evil.org", False),
        ((PAGE,), "http://app.example.com", False),
        ((PAGE,), "null", False),
        (("*",), "https://any.where", True),
    ],
)
def test_origins(origins, origin, allowed):
    said = cors.response_headers(CorsOptions(origins=origins), origin)
    assert said.get("Access-Control-Allow-Origin") == (origin if allowed else None)
    assert said["Vary"] == "Origin"  # a cache between must not mix them up
    assert "Access-Control-Allow-Credentials" not in said


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        PAGE,
        "http://localhost:5173",
        "http://[::1]:3000",
        "https://xn--bcher-kva.example",
        "chrome-extension://abcdefgh",
    ],
)
def test_what_browsers_send_is_taken(origin):
    assert list(cors.check_origins((origin,))) == []


@pytest.mark.parametrize(
    ("origin", "meant"),
    [
        (f"{PAGE}/", PAGE),
        (f"{PAGE}/chat?x#y", PAGE),
        ("app.example.com", PAGE),
        ("app.example.com:8443/", f"{PAGE}:8443"),
        ("HTTPS://App.Example.com", PAGE),
        (f"{PAGE}:443", PAGE),
        ("http://localhost:80", "http://localhost"),
        ("https://*.example.com", None),
        ("https://bücher.example", None),
        ("https://", None),
        ("https://a b", None),
    ],
)
def test_what_none_sends_is_refused_with_what_to_write(origin, meant):
    (fault,) = cors.check_origins(("*", origin))
    assert fault.where == "cors.origins[1]"
    assert repr(origin) in fault.message
    assert fault.message.endswith(f"write {meant!r}" if meant else "port included")


def test_null_is_refused_as_any_file_sends_it():
    (fault,) = cors.check_origins(("null",))
    assert "`null` is what any local file sends" in fault.message


def test_a_page_may_read_every_header_of_the_router_s_own():
    rooms = ("calls", "http/handlers", "limits")
    files = [path for room in rooms for path in PACKAGE.glob(f"{room}/*.py")]
    source = "".join(path.read_text() for path in files)
    answered = re.sub(r"header(s\.get\w*)?\(.*?\)|request\.headers\[.*?\]", "", source)
    sent = {
        name.lower()
        for name in re.findall(r'"(x-[a-z-]*[a-z]|retry-after[a-z-]*)"', answered, re.I)
    }
    sent |= {
        f"x-ratelimit-{part}-{kind.header}"
        for kind in KINDS
        for part in ("limit", "remaining", "reset")
        if kind.header
    }
    sent |= {
        name
        for kind in KINDS
        if kind.header
        for name in ANTHROPIC.limit_headers(kind.header, 1, 1, 1.0)
    } | {ANTHROPIC.id_header}
    assert len(sent) > 12
    for_the_way = {"x-content-type-options", "x-accel-buffering"}
    assert sent - for_the_way <= {name.lower() for name in cors.EXPOSED.split(", ")}


class TestServed:
    @pytest.fixture
    def app_files(self):
        return {"router.toml": f'{ECHO}[cors]\norigins = ["{PAGE}"]\n'}

    @pytest.fixture
    def ask(self, http_client, base_url):
        async def ask(method, path, **headers):
            request = HTTPRequest(
                base_url + path,
                method,
                {name.replace("_", "-"): value for name, value in headers.items()},
                body=b"{}" if method == "POST" else None,
            )
            return await http_client.fetch(request, raise_error=False)

        return ask

    @pytest.mark.parametrize("path", ["/v1/chat/completions", "/auth/profile", "/nowhere"])
    @pytest.mark.gen_test
    async def test_a_preflight_is_answered_without_a_key(self, ask, path):
        answer = await ask(
            "OPTIONS",
            path,
            Origin=PAGE,
            Access_Control_Request_Method="POST",
            Access_Control_Request_Headers="authorization,content-type",
        )
        assert (answer.code, answer.body) == (204, b"")
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE
        assert "POST" in answer.headers["Access-Control-Allow-Methods"]
        assert answer.headers["Access-Control-Allow-Headers"] == "authorization,content-type"
        assert answer.headers["Access-Control-Max-Age"] == "600"

    @pytest.mark.gen_test
    async def test_a_preflight_of_another_page_is_not(self, ask):
        answer = await ask(
            "OPTIONS",
            "/v1/models",
            Origin="https://evil.org",
            Access_Control_Request_Method="GET",
        )
        assert answer.code == 401
        assert "Access-Control-Allow-Origin" not in answer.headers

    @pytest.mark.gen_test
    async def test_the_body_of_a_preflight_is_bounded(self, http_client, base_url, app):
        limit = app.application.small_body_bytes = 1000
        headers = {"Origin": PAGE, "Access-Control-Request-Method": "GET"}
        for size, status in ((limit, 204), (limit + 1, 413)):
            request = HTTPRequest(
                f"{base_url}/health",
                "OPTIONS",
                headers,
                body=b" " * size,
                allow_nonstandard_methods=True,
            )
            answer = await http_client.fetch(request, raise_error=False)
            assert answer.code == status

    @pytest.mark.gen_test
    async def test_a_page_may_read_answers_and_refusals(self, ask, key):
        right = await ask("GET", "/v1/models", Origin=PAGE, Authorization=f"Bearer {key}")
        wrong = await ask("GET", "/v1/models", Origin=PAGE)
        assert (right.code, wrong.code) == (200, 401)
        for answer in (right, wrong):
            assert answer.headers["Access-Control-Allow-Origin"] == PAGE
            assert "X-Request-Id" in answer.headers["Access-Control-Expose-Headers"]

    @pytest.mark.gen_test
    async def test_answers_are_what_they_say_and_tell_no_version(self, ask):
        for path in ("/health", "/v1/models", "/nowhere"):
            answer = await ask("GET", path)
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "Server" not in answer.headers
            assert "Strict-Transport-Security" not in answer.headers
