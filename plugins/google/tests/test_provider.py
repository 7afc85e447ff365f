from __future__ import annotations

import asyncio

import pytest

import tornado_router_google
from tornado_router.endpoints.bridges import bridged
from tornado_router.provider import ApiError, OptionError, PassThrough
from tornado_router.testing.recordings import parse_http
from tornado_router_google import GoogleProvider

from .support import KEY, RECORDINGS, FakeHTTP, Google


def test_the_key_travels_in_a_header_only(google):
    request = google.request(google.call())
    assert request.headers["x-goog-api-key"] == KEY
    assert KEY not in request.url
    assert KEY.encode() not in request.body


@pytest.mark.parametrize(
    ("stream", "method"), [(False, "generateContent"), (True, "streamGenerateContent?alt=sse")]
)
def test_urls(google, vertex, stream, method):
    base = "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:"
    assert google.request(google.call(stream=stream)).url == base + method
    base = (
        "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/europe-west4"
        "/publishers/google/models/gemini-2.5-flash:"
    )
    request = vertex.request(vertex.call(stream=stream))
    assert request.url == base + method
    assert request.headers["Authorization"] == "Bearer ya29.canary-0123456789"


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("tunedModels/mine", "tunedModels/mine"),
        ("models/gemini-2.5-pro", "models/gemini-2.5-pro"),
        ("gemini-2.5-flash@001", "models/gemini-2.5-flash@001"),
        ("a?key=b#c:d e", "models/a%3Fkey%3Db%23c%3Ad%20e"),
    ],
)
def test_models_in_urls(google, model, path):
    url = google.request(google.call(model=model)).url
    assert url == f"https://generativelanguage.googleapis.com/v1beta/{path}:generateContent"


@pytest.mark.parametrize("model", ["a/../../b", "..", "a//b", "/a", "./a"])
def test_a_model_that_leads_elsewhere_is_not_found(google, model):
    with pytest.raises(ApiError) as caught:
        google.request(google.call(model=model))
    assert (caught.value.status, caught.value.code) == (404, "model_not_found")


def test_headers_of_the_operators():
    google = Google(headers={"x-goog-user-project": "p"})
    assert google.request(google.call()).headers == {
        "Content-Type": "application/json",
        "x-goog-api-key": KEY,
        "x-goog-user-project": "p",
    }


def test_the_plugin_offers_its_type():
    assert tornado_router_google.TORNADO_ROUTER_API == 1
    assert tornado_router_google.register_providers() == {"google": GoogleProvider}


def test_some_credentials_are_needed():
    with pytest.raises(OptionError) as caught:
        GoogleProvider("google", {})
    assert caught.value.option == "api_key"


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"api_key": "k"}, "gcp.gemini"),
        (
            {
                "access_token": "t",
                "base_url": "https://x.test/v1/projects/p/locations/l/publishers/google",
            },
            "gcp.vertex_ai",
        ),
    ],
)
def test_opentelemetry_knows_both_apis(options, name):
    assert GoogleProvider("it", options).otel_provider_name == name


@pytest.mark.parametrize("stream", [False, True])
def test_completions_are_served_by_chat(google, stream):
    served = bridged(google.provider, "completions")
    call = google.call({"prompt": "Hello", "max_tokens": 9}, "completions", stream=stream)
    name = "hello.stream" if stream else "hello"
    http = FakeHTTP([parse_http((RECORDINGS / f"chat.completions/{name}.http").read_bytes())])

    async def run():
        if not stream:
            return [await served.send(call, http)]
        return [chunk async for batch in served.stream(call, http) for chunk in batch]

    chunks = asyncio.run(run())
    assert {chunk["object"] for chunk in chunks} == {"text_completion"}
    assert "".join(choice["text"] for chunk in chunks for choice in chunk["choices"])
    assert chunks[-1]["usage"]["prompt_tokens"]
    (body,) = http.bodies
    assert body["contents"] == [{"role": "user", "parts": [{"text": "Hello"}]}]
    assert body["generationConfig"]["maxOutputTokens"] == 9


@pytest.mark.parametrize(
    ("option", "value"),
    [("api_key", "a\nb"), ("access_token", "a b"), ("headers", {"X": "a\nb"})],
)
def test_what_cannot_be_sent_is_a_fault_of_its_option(option, value):
    with pytest.raises(OptionError) as caught:
        GoogleProvider("mine", {"api_key": "k", option: value})
    assert caught.value.option == option
    assert GoogleProvider("mine", {"api_key": "k\n"}).headers["x-goog-api-key"] == "k"


@pytest.mark.parametrize("base", [{}, {"base_url": "https://generativelanguage.googleapis.com/v1"}])
def test_requests_are_passed_on_with_the_key(base):
    made = GoogleProvider("mine", {"api_key": "k", **base})
    passed = PassThrough("GET", "/v1beta/files/abc", "a=b", {"x-goog-api-key": "mine"})
    request = made.pass_through(passed)
    assert request.url == "https://generativelanguage.googleapis.com/v1beta/files/abc?a=b"
    assert (request.method, request.headers) == ("GET", {"x-goog-api-key": "k"})


def test_of_vertex_ai_nothing_is_passed_on():
    base = "https://x-aiplatform.googleapis.com/v1/projects/p/locations/x/publishers/google"
    made = GoogleProvider("mine", {"access_token": "t", "base_url": base})
    assert made.pass_through(PassThrough("GET", "/v1/projects/other")) is None
