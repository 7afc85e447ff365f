"""Which models the examples of a running router ask for."""

import re
import shlex
from html import unescape
from itertools import pairwise

import orjson
import pytest

from tornado_router.endpoints import ENDPOINTS, RESPONSES_COMPACT
from tornado_router.http.openapi import example_models
from tornado_router.provider import Part, Parts
from tornado_router.runtime.loaded_config import load_config


@pytest.fixture
def models(tmp_path):
    def of(text):
        path = tmp_path / "router.toml"
        path.write_text(text)
        return dict(example_models(load_config(path, {}).router))

    return of


def provider(name, *models, type="openai"):
    listed = ", ".join(f'"{model}"' for model in models)
    return f'[providers.{name}]\ntype = "{type}"\napi_key = "x"\nmodels = [{listed}]\n'


ECHO = '[providers.echo]\ntype = "echo"\nmodels = ["echo"]\n'


def test_what_is_served_anyway_stays(models):
    text = ECHO + provider("openai", "gpt-5", "gpt-4o-mini")
    assert models(text)["chat.completions"] == "gpt-4o-mini"


def test_a_model_that_does_everything_is_asked_for_everywhere(models):
    assert set(models(ECHO).values()) == {"echo"}


def test_each_endpoint_has_a_model_that_is_meant_for_it(models):
    found = models(provider("it", "whisper-1", "nomic-embed-text", "qwen3", "omni-moderation-2"))
    assert found["chat.completions"] == found["completions"] == "qwen3"
    assert found["embeddings"] == "nomic-embed-text"
    assert found["moderations"] == "omni-moderation-2"


def test_a_pattern_is_filled_in(models):
    assert models(provider("vendor", "*"))["embeddings"] == "vendor/text-embedding-3-small"


def test_an_endpoint_that_nobody_serves_is_left_out(models):
    found = models(provider("claude", "claude-x", type="anthropic"))
    assert found["chat.completions"] == "claude-x"
    assert "embeddings" not in found
    assert models("") == {}


@pytest.mark.gen_test
async def test_the_page_and_the_document_have_them(http_client, base_url):
    page = await http_client.fetch(f"{base_url}/docs")
    assert b"&quot;model&quot;: &quot;echo&quot;" in page.body
    assert b"/v1/models/echo&quot;" in page.body
    document = await http_client.fetch(f"{base_url}/openapi.json")
    paths = orjson.loads(document.body)["paths"]
    served = [it for it in ENDPOINTS.values() if it is not RESPONSES_COMPACT and not it.is_socket]
    assert len(served) > 4
    for endpoint in served:
        for body in paths[endpoint.path]["post"]["requestBody"]["content"].values():
            assert {it["value"]["model"] for it in body["examples"].values()} == {"echo"}


@pytest.mark.gen_test
async def test_examples_of_calls_run_as_they_are(http_client, base_url, key):
    page = (await http_client.fetch(f"{base_url}/docs")).body.decode()
    commands = re.findall(r"<pre>(curl [^<]*API_KEY[^<]*)</pre>", page)
    assert len(commands) > 10
    for command in commands:
        words = shlex.split(unescape(command))
        url = next(word for word in words if word.startswith("$BASE_URL"))
        if "/v1/responses/" in url and not url.endswith("/input_tokens"):
            continue  # of a response that was never made, or that no provider here can compact
        if url.endswith("/v1/realtime") or (url.endswith("/v1/responses") and "-d" not in words):
            continue  # a websocket
        given = [word for flag, word in pairwise(words) if flag == "-H"]
        body = words[words.index("-d") + 1] if "-d" in words else None
        if "-F" in words:
            form = Parts(tuple(_part(word) for flag, word in pairwise(words) if flag == "-F"))
            given.append(f"Content-Type: {form.content_type}")
            body = b"".join(form.pieces())
        answer = await http_client.fetch(
            url.replace("$BASE_URL", base_url),
            method="GET" if body is None else "POST",
            headers=dict(it.replace("$API_KEY", key).split(": ") for it in given),
            body=body,
            raise_error=False,
        )
        assert answer.code == 200, (command, answer.body)


def _part(word):
    """A field of a form as curl takes it, with a sample in place of a file."""
    name, _, value = word.partition("=")
    return Part(name, b"sample", value[1:]) if value.startswith("@") else Part(name, value)
