from __future__ import annotations

import pytest

import tornado_router_anthropic
from tornado_router.plugins.registry import load_plugins
from tornado_router.provider import PLUGIN_API_VERSION, OptionError, PassThrough
from tornado_router_anthropic import AnthropicProvider

from .support import KEY, Claude, make_call, user


def headers(**options):
    return Claude(**options).request(make_call(user("x"))).headers


def test_the_plugin_is_found():
    assert tornado_router_anthropic.TORNADO_ROUTER_API == PLUGIN_API_VERSION
    assert load_plugins().types["anthropic"] is AnthropicProvider


def test_the_key_travels_in_a_header():
    request = Claude().request(make_call(user("x")))
    assert request.url == "https://api.anthropic.com/v1/messages"
    assert request.headers["x-api-key"] == KEY
    assert request.headers["anthropic-version"] == "2023-06-01"
    assert "Authorization" not in request.headers
    assert KEY not in request.url + request.body.decode()


def test_the_key_as_a_bearer_token():
    found = headers(auth="bearer", version="2026-10-21")
    assert found["Authorization"] == f"Bearer {KEY}"
    assert found["anthropic-version"] == "2026-10-21"
    assert "x-api-key" not in found


def test_betas_and_other_headers():
    found = headers(beta=["a-1", "b-2"], headers={"X-Team": "blue"})
    assert found["anthropic-beta"] == "a-1,b-2"
    assert found["X-Team"] == "blue"


@pytest.mark.parametrize(
    "base_url", ["http://localhost:8000", "http://localhost:8000/", "http://localhost:8000/v1/"]
)
def test_base_url(base_url):
    provider = AnthropicProvider("mine", {"base_url": base_url})
    request = provider.endpoints["chat.completions"].build_request(make_call(user("x")))
    assert request.url == "http://localhost:8000/v1/messages"
    assert "x-api-key" not in request.headers


def test_the_vendors_own_api_needs_a_key():
    with pytest.raises(OptionError) as wrong:
        AnthropicProvider("anthropic", {})
    assert wrong.value.option == "api_key"


def test_every_option_says_what_it_is_for():
    for option in AnthropicProvider.options_schema["properties"].values():
        assert option["description"]
    assert AnthropicProvider.options_schema["properties"]["api_key"]["writeOnly"]


def test_facts_are_the_operators():
    facts = {"claude-saga": {"like": "claude-sonnet-4-5", "sampling": "both", "max_output": 9}}
    body = Claude(facts=facts).body(
        user("x"), model="claude-saga-1", temperature=0.5, top_p=0.5, reasoning_effort="none"
    )
    assert (body["temperature"], body["top_p"], body["max_tokens"]) == (0.5, 0.5, 9)


@pytest.mark.parametrize(
    ("option", "value"),
    [("api_key", "a\nb"), ("beta", ["a\nb"]), ("headers", {"X": "a\nb"}), ("headers", {"": "a"})],
)
def test_what_cannot_be_sent_is_a_fault_of_its_option(option, value):
    with pytest.raises(OptionError) as caught:
        AnthropicProvider("mine", {"api_key": "k", option: value})
    assert caught.value.option == option


def test_what_is_not_seen_at_the_ends_is_not_sent():
    made = AnthropicProvider("mine", {"api_key": "k\n", "beta": ["b\n"]})
    assert (made.headers["x-api-key"], made.headers["anthropic-beta"]) == ("k", "b")


def test_requests_are_passed_on_with_the_clients_version_and_betas():
    made = AnthropicProvider("mine", {"api_key": "k", "beta": ["ours"]})
    headers = {"anthropic-version": "2030-01-01", "anthropic-beta": "theirs", "x-api-key": "mine"}
    request = made.pass_through(PassThrough("GET", "/v1/files", "limit=3", headers))
    assert request.url == "https://api.anthropic.com/v1/files?limit=3"
    assert request.headers == {
        "anthropic-version": "2030-01-01",
        "anthropic-beta": "ours,theirs",
        "x-api-key": "k",
    }
    plain = made.pass_through(PassThrough("GET", "/v1/files"))
    assert (plain.headers["anthropic-version"], plain.headers["anthropic-beta"]) == (
        "2023-06-01",
        "ours",
    )
