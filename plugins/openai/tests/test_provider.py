"""The table of an OpenAI-shaped vendor: where it is, and what every request carries."""

import ast
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

import tornado_router_openai
from tornado_router import provider as public
from tornado_router.provider import OptionError, PassThrough
from tornado_router_openai import TORNADO_ROUTER_API, OpenAI, OpenAIProvider, register_providers

SOURCES = sorted(Path(tornado_router_openai.__file__).parent.rglob("*.py"))


def headers(**options):
    return OpenAIProvider("mine", {"api_key": "sk-1", **options}).headers


class TestHeaders:
    def test_the_key(self):
        assert headers() == {"Content-Type": "application/json", "Authorization": "Bearer sk-1"}

    def test_a_server_without_a_key(self):
        made = OpenAIProvider("mine", {"base_url": "http://localhost:8000/v1"}).headers
        assert made == {"Content-Type": "application/json"}

    def test_organization_and_project(self):
        made = headers(organization="org-1", project="proj-1")
        assert made["OpenAI-Organization"] == "org-1"
        assert made["OpenAI-Project"] == "proj-1"

    def test_empty_ones_are_left_out(self):
        assert headers(organization="", project="") == headers()

    def test_more_headers_and_they_have_the_last_word(self):
        made = headers(headers={"X-Team": "blue", "Authorization": "Token t"})
        assert made["X-Team"] == "blue"
        assert made["Authorization"] == "Token t"

    def test_what_is_not_seen_at_the_ends_is_not_sent(self):
        made = headers(api_key=" sk-1\n", organization="org\n", headers={"X": "y\r\n"})
        assert made["Authorization"] == "Bearer sk-1"
        assert (made["OpenAI-Organization"], made["X"]) == ("org", "y")

    @pytest.mark.parametrize(
        ("option", "value"),
        [
            ("api_key", "sk\n1"),
            ("api_key", "sk 1"),
            ("api_key", "\u00ef\u00bb\u00bfsk-1"),
            ("organization", "a\nb"),
            ("project", "a\x00b"),
            ("headers", {"X": "a\nb"}),
            ("headers", {"X:Y": "a"}),
        ],
    )
    def test_what_cannot_be_sent_is_a_fault_of_its_option(self, option, value):
        with pytest.raises(OptionError) as caught:
            headers(**{option: value})
        assert caught.value.option == option


class TestAddress:
    def url(self, endpoint="chat.completions", **options):
        return OpenAIProvider("mine", {"api_key": "k", **options}).endpoints[endpoint]._url

    @pytest.mark.parametrize("base_url", ["https://x.test/v1", "https://x.test/v1/"])
    def test_a_slash_at_the_end_makes_no_difference(self, base_url):
        assert self.url(base_url=base_url) == "https://x.test/v1/chat/completions"
        assert self.url("embeddings", base_url=base_url) == "https://x.test/v1/embeddings"

    def test_openai_is_where_it_goes_by_default(self):
        assert self.url() == "https://api.openai.com/v1/chat/completions"

    def test_openai_wants_a_key(self):
        with pytest.raises(OptionError) as caught:
            OpenAIProvider("mine", {})
        assert caught.value.option == "api_key"


class TestOptions:
    def valid(self, **options):
        return Draft202012Validator(OpenAIProvider.options_schema).is_valid(options)

    @pytest.mark.parametrize("url", ["https://x.test/v1", "http://127.0.0.1:8000"])
    def test_addresses(self, url):
        assert self.valid(base_url=url)

    @pytest.mark.parametrize("url", ["", "x.test/v1", "ftp://x.test", "https://", "https:///v1", 5])
    def test_what_is_no_address(self, url):
        assert not self.valid(base_url=url)

    def test_headers_are_text(self):
        assert self.valid(headers={"X": "y"})
        assert not self.valid(headers={"X": 5})

    def test_the_key_is_a_secret(self):
        assert OpenAIProvider.options_schema["properties"]["api_key"]["writeOnly"] is True

    def test_the_key_is_in_no_repr(self):
        assert "sk-1" not in repr(OpenAIProvider("mine", {"api_key": "sk-1"}))


def test_it_serves_what_it_says():
    made = OpenAIProvider("mine", {"api_key": "k"})
    assert set(made.endpoints) == set(made.capabilities)
    assert "chat.completions" in made.capabilities


def test_it_is_a_plugin():
    assert TORNADO_ROUTER_API == public.PLUGIN_API_VERSION
    assert register_providers()["openai"] is OpenAI


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_it_uses_only_what_a_third_party_could(source):
    names = []
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            names += [(name.name, None) for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names += [(node.module, name.name) for name in node.names]
    core = [item for item in names if item[0].split(".")[0] == "tornado_router"]
    assert all(module == "tornado_router.provider" for module, _ in core)
    assert {name for _, name in core} <= set(public.__all__)
    assert "importlib" not in {module for module, _ in names}


@pytest.mark.parametrize("base", ["https://api.openai.com/v1", "https://x.example/openai"])
def test_requests_are_passed_on_below_the_base_url(base):
    made = OpenAI("mine", {"api_key": "k", "base_url": base, "project": "p"})
    headers = {"content-type": "application/json", "openai-project": "other"}
    request = made.pass_through(PassThrough("POST", "/v1/files/file-1", "", headers, b"{}"))
    assert (request.url, request.body) == (f"{base}/files/file-1", b"{}")
    assert request.headers == {
        "content-type": "application/json",
        "Authorization": "Bearer k",
        "OpenAI-Project": "p",
    }
