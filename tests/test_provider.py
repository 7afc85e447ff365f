"""The public plugin API: every name that third parties import stays where it is."""

import inspect

import pytest

from tornado_router import provider as public

FIRST = [
    "PLUGIN_API_VERSION",
    "ApiError",
    "Body",
    "Call",
    "Event",
    "HTTPClient",
    "OptionError",
    "Params",
    "Provider",
    "ProviderError",
    "Relayed",
    "StreamParser",
    "Translator",
    "UpstreamRequest",
    "UpstreamResponse",
    "UpstreamStream",
    "bad_answer",
    "dump_json",
    "hookimpl",
    "load_json_object",
]
"""What version 1 of the plugin API began with."""


def test_no_name_of_version_1_is_gone():
    assert public.PLUGIN_API_VERSION == 1
    assert set(FIRST) <= set(public.__all__)


@pytest.mark.parametrize("name", public.__all__)
def test_every_public_name_is_there_and_is_documented(name):
    value = getattr(public, name)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert value.__doc__


def test_requests_and_calls_are_made_as_in_the_first_release():
    """By position, without what was added later."""
    call = public.Call("id", "chat.completions", "m", {}, b"{}", False, "drop", {"c": 1}, [], {})
    assert (call.unsupported, call.memory, call.dropped, call.kept) == ("drop", {"c": 1}, [], {})
    request = public.UpstreamRequest("https://v", b"{}", {"X": "1"}, "PUT")
    assert (request.body, request.method) == (b"{}", "PUT")
    assert public.UpstreamResponse(200, {}, b"").status == 200
    assert public.Relayed({}, b"{}").raw == b"{}"


def test_a_plugin_of_the_first_release_declares_nothing_new():
    class Old(public.Translator):
        def build_request(self, call):
            return public.UpstreamRequest("https://v", b"", {})

        def parse_response(self, call, response):
            return {}

        def parse_stream(self, call):
            return "parser"

    old = Old()
    assert old.framing is public.ServerSentEvents
    assert old.open_stream(None, public.UpstreamResponse(200, {}, b"")) == "parser"
    provider = public.Provider("old", {})
    assert provider.credentials is None
    assert provider.authorized(http := object()) is http
