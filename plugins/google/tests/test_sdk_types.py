"""Requests beside what Google's own SDK makes of the same: nothing unknown, nothing missing."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tornado_router.provider import ApiError
from tornado_router.testing import corpus

from .support import RECORDINGS, Google, called, recording, result, tool, user

genai = pytest.importorskip("google.genai", reason="the extra `test` is not installed")
types = genai.types
httpx = pytest.importorskip("httpx2")

PNG = {"type": "image_url", "image_url": {"url": corpus.PNG}}
FIELDS = {
    "contents": types.Content,
    "systemInstruction": types.Content,
    "generationConfig": types.GenerationConfig,
    "tools": types.Tool,
    "toolConfig": types.ToolConfig,
    "serviceTier": types.ServiceTier,
}
BODIES = {
    "everything": {
        "messages": [
            {"role": "system", "content": "Be brief."},
            user([{"type": "text", "text": "Look:"}, PNG, corpus.AUDIO, corpus.FILE]),
            called(("a", "f", '{"x": [1, null]}'), ("b", "f", ""), content="Wait."),
            result("b", "two"),
            result("a", "one"),
            {"role": "developer", "content": "In French."},
        ],
        "tools": [tool("f", description="F.", parameters=corpus.SCHEMA), tool("g")],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "temperature": 0.5,
        "top_p": 0.5,
        "max_completion_tokens": 100,
        "stop": ["x"],
        "seed": 7,
        "n": 2,
        "presence_penalty": 0.5,
        "frequency_penalty": 0.5,
        "logprobs": True,
        "top_logprobs": 2,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "a", "schema": corpus.SCHEMA},
        },
        "reasoning_effort": "low",
        "service_tier": "priority",
    },
    **{
        sample.label: {key: value for key, value in sample.body.items() if key != "model"}
        for sample in (*corpus.PLAIN, *corpus.CAPABLE, *corpus.ODD)
    },
}


class Sdk:
    """Google's client, with a network that keeps what is sent."""

    def __init__(self, answer: Any, **options: Any) -> None:
        self.sent: list[dict[str, Any]] = []

        def take(request: Any) -> Any:
            self.urls = str(request.url)
            self.sent.append(orjson.loads(request.content))
            return httpx.Response(200, json=answer)

        transport = httpx.MockTransport(take)
        http_options = types.HttpOptions(client_args={"transport": transport})
        self.client = genai.Client(api_key="canary", http_options=http_options, **options)

    def generate(self, model: str, body: dict[str, Any]) -> dict[str, Any]:
        """What the SDK sends for the types that a body of ours is read as."""
        config = {**body.get("generationConfig", {}), **body}
        del config["contents"]
        config.pop("generationConfig", None)
        self.client.models.generate_content(
            model=model,
            contents=[types.Content.model_validate(turn) for turn in body["contents"]],
            config=types.GenerateContentConfig.model_validate(config),
        )
        return self.sent[-1]


def read(body: dict[str, Any]) -> dict[str, Any]:
    """A body in the SDK's types, which forbid fields that they do not know."""
    assert body.keys() <= FIELDS.keys()
    values: dict[str, Any] = {}
    for name, value in body.items():
        if not value:
            continue  # the SDK sends an empty `generationConfig`
        kind = FIELDS[name]
        if name == "serviceTier":
            values[name] = kind(value)
        elif isinstance(value, list):
            values[name] = [kind.model_validate(item) for item in value]
        else:
            values[name] = kind.model_validate(value)
    return values


def build(google: Google, body: dict[str, Any], model: str) -> dict[str, Any] | None:
    """A request; None for one that cannot be sent at all, of which the kit sees to the refusal."""
    try:
        return google.build(body, model=model, unsupported="drop")
    except ApiError:
        return None


@pytest.fixture(scope="module")
def sdk():
    return Sdk({"candidates": [{"content": {"parts": [{"text": "x"}]}, "finishReason": "STOP"}]})


def test_the_types_forbid_what_they_do_not_know():
    assert types.Content.model_config["extra"] == "forbid"
    with pytest.raises(ValueError, match="extra"):
        read({"contents": [], "generationConfig": {"stream_options": {}}})


@pytest.mark.parametrize(
    "model", ["gemini-2.0-flash", "gemini-2.5-flash", "gemini-3-flash-preview"]
)
@pytest.mark.parametrize("label", BODIES)
def test_requests_are_those_of_the_sdk(google, sdk, model, label):
    body = build(google, BODIES[label], model)
    if body is not None:
        assert read(sdk.generate(model, body)) == read(body)


def test_everything_is_in_everything(google):
    body = google.build(BODIES["everything"], model="gemini-3-flash-preview")
    assert body.keys() == FIELDS.keys()
    assert len(body["generationConfig"]) == 13


def test_a_placeholder_is_bytes_to_the_sdk(google):
    contents = google.contents(
        user(), called(("a", "f", "")), result("a"), model="gemini-3-flash-preview"
    )
    [part] = types.Content.model_validate(contents[1]).parts
    assert len(part.thought_signature) == 24


def test_embeddings_are_those_of_the_sdk(google):
    sdk = Sdk({"embeddings": [{"values": [1.0]}]})
    sdk.client.models.embed_content(
        model="gemini-embedding-001",
        contents=["a", "b"],
        config=types.EmbedContentConfig(output_dimensionality=64),
    )
    call = google.call(
        {"input": ["a", "b"], "dimensions": 64}, "embeddings", model="gemini-embedding-001"
    )
    assert _plain(orjson.loads(google.request(call).body)) == _plain(sdk.sent[-1])


@pytest.mark.parametrize("model", ["gemini-embedding-2", "text-embedding-005"])
def test_embeddings_of_vertex_are_those_of_the_sdk(vertex, model):
    sdk = Sdk({"embedding": {"values": [1.0]}}, vertexai=True)
    sdk.client.models.embed_content(
        model=model, contents="a", config=types.EmbedContentConfig(output_dimensionality=64)
    )
    call = vertex.call({"input": "a", "dimensions": 64}, "embeddings", model=model)
    request = vertex.request(call)
    assert request.url.rpartition("/")[2] == sdk.urls.rpartition("/")[2]
    assert _plain(orjson.loads(request.body)) == _plain(sdk.sent[-1])


@pytest.mark.parametrize(
    "name", sorted(path.name for path in RECORDINGS.glob("chat.completions/[!e]*.http"))
)
def test_recordings_are_what_the_sdk_reads(name):
    body = recording(name).body
    for data in body.split(b"\r\n\r\n") if ".stream." in name else [body]:
        if data:
            types.GenerateContentResponse.model_validate(
                orjson.loads(data.removeprefix(b"data: ")), extra="forbid"
            )


def _plain(value: Any) -> Any:
    """Without what the SDK adds and the API does not need: the role of what is embedded."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if key != "role"}
    return [_plain(item) for item in value] if isinstance(value, list) else value
