"""Which parts of a configuration nobody may see."""

import pytest

from tornado_router.config.credentials import SECRET_NAME, in_all_forms, secrets_in, url_secrets

SCHEMA = {
    "properties": {
        "api_key": {"type": "string", "writeOnly": True},
        "headers": {"type": "object", "writeOnly": True},
        "base_url": {"type": "string"},
        "count": {"type": "integer"},
    }
}


def test_what_is_write_only_is_a_secret_whatever_its_length():
    assert secrets_in({"api_key": "pw", "count": 7, "base_url": "a"}, SCHEMA) == ["pw"]
    assert secrets_in({"api_key": ""}, SCHEMA) == []


def test_of_headers_the_values_are_secrets_with_and_without_their_scheme():
    headers = {"Authorization": "Bearer abcdefgh-1", "X-Team": "blue", "X-Gw": "gateway-1"}
    assert secrets_in({"headers": headers}, SCHEMA) == [
        "Bearer%20abcdefgh-1",
        "Bearer abcdefgh-1",
        "abcdefgh-1",
        "gateway-1",
    ]


@pytest.mark.parametrize(
    ("url", "secrets"),
    [
        ("https://llm.example/v1", []),
        ("https://me:pa%40ss@llm.example/v1", ["pa%40ss", "pa@ss"]),
        ("https://token-1@llm.example", ["token-1", "token-1"]),
        ("postgresql://router@db/router", []),
        ("postgresql://me:hunter2/Secret?x#y@db/name", ["hunter2/Secret?x#y"] * 2),
        ("https://x/?key=0123456789&deployment=somewhere&api-key=short", ["0123456789"]),
        ("http://[broken", []),
        ("no url", []),
        ("https://host:8080/a@b?c=d@e", []),
    ],
)
def test_urls(url, secrets):
    assert list(url_secrets(url)) == secrets


def test_every_form_is_found_and_the_longest_first():
    forms = in_all_forms(['a"b', 'a"bc/d'])
    assert forms == ["a%22bc%2Fd", 'a\\"bc/d', 'a"bc/d', "a%22b", 'a\\"b', 'a"b']


@pytest.mark.parametrize("name", ["Authorization", "X-Api-Key", "api_key", "sig", "Cookie", "key"])
def test_names_of_secrets(name):
    assert bool(SECRET_NAME.search(name)) is (name != "sig")
    assert not SECRET_NAME.search("X-Cost-Center")
    assert not SECRET_NAME.search("monkey")
