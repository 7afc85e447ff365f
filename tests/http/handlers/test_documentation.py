"""`/openapi.json` and `/docs`: open, cacheable, and off where the operator says so."""

import asyncio
import threading
from functools import lru_cache

import orjson
import pytest

from tornado_router.http import openapi, urls
from tornado_router.http.descriptions import DESCRIPTIONS, Description, Descriptions

pytestmark = pytest.mark.sqlite_suffices


@pytest.mark.parametrize(
    ("path", "content_type"),
    [("/openapi.json", "application/json"), ("/docs", "text/html; charset=utf-8")],
)
@pytest.mark.gen_test
async def test_is_sent_once(http_client, base_url, path, content_type):
    first = await http_client.fetch(base_url + path)
    assert first.headers["Content-Type"] == content_type
    asked = {"If-None-Match": first.headers["Etag"]}
    second = await http_client.fetch(base_url + path, headers=asked, raise_error=False)
    assert (second.code, second.body) == (304, b"")


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/health", "/metrics"])
@pytest.mark.parametrize("app_files", ["[metrics]\npublic = true"], indirect=True)
@pytest.mark.gen_test
async def test_head_gives_the_headers_of_get(app, http_client, base_url, path):
    got = await http_client.fetch(base_url + path)
    head = await http_client.fetch(base_url + path, method="HEAD")
    assert (head.code, head.body) == (200, b"")
    assert head.headers.keys() == got.headers.keys()
    assert head.headers["Content-Type"] == got.headers["Content-Type"]


@pytest.mark.gen_test
async def test_is_made_once_and_beside_the_loop(app, http_client, base_url, monkeypatch):
    made, write = [], openapi.page

    def page(document):
        made.append(threading.current_thread())
        return write(document)

    monkeypatch.setattr(openapi, "page", page)
    monkeypatch.setattr(urls, "_made", lru_cache(urls._made.__wrapped__))
    await asyncio.gather(*(http_client.fetch(f"{base_url}/docs") for _ in range(5)))
    assert len(made) == 1
    assert made[0] is not threading.main_thread()


def test_one_that_could_not_be_made_is_made_anew():
    attempts = []

    def describe(profile, router, rules):
        attempts.append(profile)
        if len(attempts) == 1:
            raise OSError
        return Description(b"page", "")

    async def ask():
        descriptions = Descriptions()
        with pytest.raises(OSError):  # noqa: PT011 - without words
            await descriptions.get(describe, "strict", None, None)
        return [(await descriptions.get(describe, "strict", None, None)).content for _ in range(2)]

    assert asyncio.run(ask()) == [b"page", b"page"]
    assert len(attempts) == 2


def test_no_more_are_kept_than_are_in_use():
    made = []

    def describe(profile, router, rules):
        made.append(router)
        return Description(b"page", "")

    async def ask():
        descriptions = Descriptions()
        for router in [*range(2 * DESCRIPTIONS), 0]:
            await descriptions.get(describe, "strict", router, None)

    asyncio.run(ask())
    assert made[-1] == 0


@pytest.mark.gen_test
async def test_describes_itself(http_client, base_url):
    answer = await http_client.fetch(f"{base_url}/openapi.json")
    assert {"/openapi.json", "/v1/chat/completions"} <= orjson.loads(answer.body)["paths"].keys()


@pytest.mark.gen_test
async def test_the_bare_address_leads_to_the_page(http_client, base_url):
    answer = await http_client.fetch(base_url)
    assert (answer.code, answer.effective_url) == (200, f"{base_url}/docs")
    answer = await http_client.fetch(base_url, method="HEAD")
    assert (answer.code, answer.effective_url) == (200, base_url)


@pytest.mark.parametrize(
    ("headers", "origin"),
    [
        ({"Host": "llm.corp.example"}, "http://llm.corp.example"),
        ({"Host": "[::1]:3000"}, "http://[::1]:3000"),
        (
            {"Host": "llm.corp.example", "X-Forwarded-Proto": "https"},
            "https://llm.corp.example",
        ),
        ({"Host": "a;reboot"}, "https://router.example.com"),
    ],
)
@pytest.mark.gen_test
async def test_examples_have_the_address_that_the_page_was_asked_for_at(
    http_client, base_url, headers, origin
):
    answer = await http_client.fetch(f"{base_url}/docs", headers=headers)
    assert f"export BASE_URL={origin}\n".encode() in answer.body
    assert b"reboot" not in answer.body


@pytest.mark.gen_test
async def test_a_host_that_is_none_is_refused(http_client, base_url):
    headers = {"Host": "a<b>"}
    answer = await http_client.fetch(f"{base_url}/docs", headers=headers, raise_error=False)
    assert answer.code == 400
    assert b"a<b>" not in answer.body


@pytest.mark.gen_test
async def test_page_may_load_nothing_and_be_framed_by_nobody(http_client, base_url):
    answer = await http_client.fetch(f"{base_url}/docs")
    policy = answer.headers["Content-Security-Policy"].split("; ")
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert [it for it in policy if "unsafe" in it or "http" in it or "self" in it] == []


@pytest.fixture
def app_files(request):
    return {"router.toml": getattr(request, "param", "")}


@pytest.mark.parametrize("app_files", ["[server]\ndocs = false"], indirect=True)
@pytest.mark.gen_test
async def test_may_be_off(app, http_client, base_url):
    for path in ("/openapi.json", "/docs", "/"):
        answer = await http_client.fetch(base_url + path, raise_error=False)
        assert (answer.code, orjson.loads(answer.body)["error"]["code"]) == (404, "unknown_url")


@pytest.mark.parametrize("app_files", ['[validation]\nprofile = "openai"'], indirect=True)
@pytest.mark.gen_test
async def test_tells_what_this_router_takes(app, http_client, base_url):
    answer = await http_client.fetch(f"{base_url}/openapi.json")
    schemas = orjson.loads(answer.body)["components"]["schemas"]
    assert "enum" in schemas["ChatCompletionsRequest"]["properties"]["reasoning_effort"]


@pytest.mark.gen_test
async def test_made_up_addresses_take_nothing_from_the_right_one(http_client, base_url):
    for number in range(40):
        headers = {"Host": f"host{number}.example"}
        answer = await http_client.fetch(f"{base_url}/docs", headers=headers)
        assert f"export BASE_URL=http://host{number}.example\n".encode() in answer.body
        assert int(answer.headers["Content-Length"]) == len(answer.body)
