"""`running_router` and `running_vendor`: what the author of a plugin tests with, end to end."""

from contextlib import contextmanager
from pathlib import Path

import openai
import pytest

from tornado_router.errors import ConfigError
from tornado_router.provider import Provider, UpstreamResponse
from tornado_router.testing import running_router, running_vendor
from tornado_router.testing.vendors import json_response

RECORDINGS = Path(__file__).parents[2] / "plugins/openai/tests/recordings/chat.completions"
TOML = """
[providers.acme]
type = "openai"
base_url = "{url}"
api_key = "${{KEY}}"
[routing]
retries = 0
"""
ECHO = '[providers.echo]\ntype = "echo"\nmodels = ["echo"]\n'
HELLO = [{"role": "user", "content": "Hello"}]


@contextmanager
def talking(folder, respond):
    """A vendor and a router before it."""
    with running_vendor(respond) as vendor:
        toml = TOML.format(url=vendor.url)
        with running_router(toml, folder, environ={"KEY": "sk-up"}) as router:
            yield vendor, router


def answer(request):
    """Says what it was asked."""
    said = request.json["messages"][0]["content"]
    choice = {"index": 0, "message": {"role": "assistant", "content": said}}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    choices = [{**choice, "finish_reason": "stop"}]
    return json_response({"id": "1", "model": "m", "choices": choices, "usage": usage})


def test_the_sdks_reach_the_vendor_and_the_calls_are_recorded(tmp_path):
    with talking(tmp_path / "new", answer) as (vendor, router):
        asked = {"model": "acme/m", "messages": HELLO}
        made = router.openai().chat.completions.create(**asked)
        assert made.choices[0].message.content == "Hello"
        message = router.anthropic().messages.create(max_tokens=9, **asked)
        assert message.content[0].text == "Hello"
        plain = router.request("GET", "/v1/models", x_request_id="mine")
        assert (plain.status, plain.headers["X-Request-ID"]) == (200, "mine")
        first, second = vendor.requests
        assert (first.method, first.path) == ("POST", "/chat/completions")
        assert first.headers["Authorization"] == "Bearer sk-up"
        assert second.json["messages"][0]["content"] == "Hello"
        assert [row["endpoint"] for row in router.usage(2)] == ["chat.completions", "messages"]
        with pytest.raises(AssertionError, match="2 calls are recorded, not 1"):
            router.usage(1)


def test_a_key_has_its_limits_and_its_user(tmp_path):
    with running_router(ECHO, tmp_path) as router:
        client = router.openai(router.create_key("ada@example.com", rate_limit_rpm=1))
        client.chat.completions.create(model="echo", messages=HELLO)
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(model="echo", messages=HELLO)
        assert {row["user"] for row in router.usage(2)} == {2}


def test_a_router_in_the_folder_of_another_goes_on_with_its_data(tmp_path):
    with running_router(ECHO, tmp_path) as router:
        key = router.key
        router.openai().chat.completions.create(model="echo", messages=HELLO)
    with running_router(ECHO, tmp_path) as router:
        router.openai(key).chat.completions.create(model="echo", messages=HELLO)
        router.usage(2)


def test_faults_of_the_file_and_types_that_are_not_installed(tmp_path):
    with pytest.raises(ConfigError, match="mine"), running_router("mine = 1", tmp_path):
        pass
    table = '[providers.own]\ntype = "of-this-test"\n'
    with running_router(table, tmp_path, types={"of-this-test": Provider}) as router:
        assert router.process.loaded.providers["own"].provider


def test_a_recording_and_a_stream_piece_by_piece(tmp_path):
    async def pieces():
        yield b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n'
        yield b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"lo"},'
        yield b'"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'

    def respond(request):
        return pieces() if request.json.get("stream") else RECORDINGS / "error-400.http"

    with talking(tmp_path, respond) as (_, router):
        client = router.openai()
        with pytest.raises(openai.BadRequestError):
            client.chat.completions.create(model="acme/m", messages=HELLO)
        made = client.chat.completions.create(model="acme/m", messages=HELLO, stream=True)
        parts = [choice.delta.content or "" for chunk in made for choice in chunk.choices]
        assert "".join(parts) == "Hello"


def refused(client):
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model="acme/m", messages=HELLO)
    return caught.value


def test_a_fault_of_the_imitation_is_a_failure_of_the_vendor(tmp_path):
    def respond(request):
        raise LookupError(request.path)

    with talking(tmp_path, respond) as (_, router):
        assert refused(router.openai()).status_code == 502


def test_a_response_that_is_given_as_data(tmp_path):
    limited = UpstreamResponse(429, {"Retry-After": "7"}, b"{}")
    with talking(tmp_path, lambda _: limited) as (_, router):
        error = refused(router.openai())
    assert (error.status_code, error.response.headers["Retry-After"]) == (429, "7")
