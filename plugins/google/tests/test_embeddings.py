from __future__ import annotations

import base64
import math
import struct

import orjson
import pytest

from tornado_router.provider import ApiError, ProviderError

from .support import recording

MODEL = "gemini-embedding-001"


def call(google, model=MODEL, **body):
    return google.call({"input": "x", **body}, "embeddings", model=model)


def build(google, model=MODEL, **body):
    request = google.request(call(google, model, **body))
    return request.url.rpartition(":")[2], orjson.loads(request.body)


def test_a_batch(google):
    method, body = build(google, input=["a", "b"], dimensions=64, user="u")
    assert method == "batchEmbedContents"
    assert body == {
        "requests": [
            {
                "model": "models/gemini-embedding-001",
                "content": {"parts": [{"text": text}]},
                "outputDimensionality": 64,
            }
            for text in ("a", "b")
        ]
    }


def test_vertex(vertex):
    method, body = build(vertex, "text-embedding-005", input=["a", "b"], dimensions=64)
    assert method == "predict"
    assert body == {
        "instances": [{"content": "a"}, {"content": "b"}],
        "parameters": {"outputDimensionality": 64},
    }
    method, body = build(vertex, "gemini-embedding-2", dimensions=64)
    assert method == "embedContent"
    assert body == {
        "content": {"parts": [{"text": "x"}]},
        "embedContentConfig": {"outputDimensionality": 64},
    }


@pytest.mark.parametrize(
    ("model", "texts"), [(MODEL, [[1, 2]]), (MODEL, [1, 2]), (MODEL, ["x"] * 101)]
)
def test_what_is_not_embedded_is_refused(google, model, texts):
    with pytest.raises(ApiError) as caught:
        build(google, model, input=texts)
    assert (caught.value.status, caught.value.param) == (400, "input")


@pytest.mark.parametrize("model", [MODEL, "gemini-embedding-2"])
def test_vertex_embeds_one_text_at_once_with_gemini(vertex, model):
    with pytest.raises(ApiError) as caught:
        build(vertex, model, input=["a", "b"])
    assert caught.value.param == "input"


def test_an_answer(google):
    answer = google.whole(
        recording("two_texts.http", "embeddings").body, call(google, input=["a", "b"])
    )
    assert answer == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [0.6, 0.8, 0.0]},
            {"object": "embedding", "index": 1, "embedding": [0.36, 0.48, 0.8]},
        ],
        "model": MODEL,
        "usage": {"prompt_tokens": 4, "total_tokens": 4},
    }


def test_short_vectors_have_length_one_and_travel_as_base64(google):
    answer = google.whole(
        recording("short.http", "embeddings").body,
        call(google, dimensions=2, encoding_format="base64"),
    )
    packed = base64.b64decode(answer["data"][0]["embedding"])
    values = struct.unpack("<2f", packed)
    assert values == pytest.approx((0.6, 0.8))
    assert math.hypot(*values) == pytest.approx(1)


def test_answers_of_vertex(vertex):
    predictions = [
        {"embeddings": {"values": [0.5], "statistics": {"token_count": 3, "truncated": False}}}
        for _ in range(2)
    ]
    asked = call(vertex, "text-embedding-005", input=["a", "b"])
    answer = vertex.whole({"predictions": predictions}, asked)
    assert [item["embedding"] for item in answer["data"]] == [[0.5], [0.5]]
    assert answer["usage"]["prompt_tokens"] == 6
    body = {"embedding": {"values": [0.5]}, "usageMetadata": {"promptTokenCount": 2}}
    answer = vertex.whole(body, call(vertex, "gemini-embedding-2"))
    assert answer["data"][0]["embedding"] == [0.5]
    assert answer["usage"]["prompt_tokens"] == 2


def test_without_usage_there_is_none(google):
    assert "usage" not in google.whole({"embeddings": [{"values": [1]}]}, call(google))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "embeddings"),
        ({"embeddings": []}, "embeddings"),
        ({"embeddings": {}}, "embeddings"),
        ({"embeddings": [{"values": [1]}, {"values": [1]}]}, "embeddings"),
        ({"embeddings": [{}]}, "embeddings[0].values"),
        ({"embeddings": [{"values": ["secret"]}]}, "embeddings[0].values"),
        ({"embeddings": [{"values": [True]}]}, "embeddings[0].values"),
        ({"predictions": {}}, "predictions"),
        ({"predictions": [{}]}, "predictions[0].embeddings.values"),
    ],
)
def test_what_google_does_not_promise_is_a_502(google, body, field):
    with pytest.raises(ProviderError, match="google") as caught:
        google.whole(body, call(google))
    assert caught.value.status == 502
    assert f"'{field}'" in caught.value.message
    assert "secret" not in caught.value.message


def test_an_error_behind_a_status_200(google):
    with pytest.raises(ProviderError) as caught:
        google.whole({"error": {"code": 404, "message": "No."}}, call(google))
    assert caught.value.status == 404


def test_there_is_no_stream(google):
    with pytest.raises(ProviderError):
        google.provider.endpoints["embeddings"].parse_stream(call(google))
