"""Embeddings: the client gets what it asked for, or the provider has failed."""

import json
import struct
from base64 import b64encode

import orjson
import pytest

from tornado_router.provider import Call, ProviderError, Relayed, UpstreamResponse
from tornado_router_openai import OpenAIProvider, register_providers


def base64(*numbers):
    return b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def vectors(*embeddings):
    data = [
        {"object": "embedding", "index": index, "embedding": embedding}
        for index, embedding in enumerate(embeddings)
    ]
    return {"object": "list", "data": data, "model": "e", "usage": {"prompt_tokens": 2}}


def parse(answer, value="text", **fields):
    body = {"model": "e", "input": value, **fields}
    call = Call("id", "embeddings", "e", body, orjson.dumps(body), False)
    response = UpstreamResponse(200, {}, orjson.dumps(answer))
    return (
        OpenAIProvider("it", {"api_key": "k"})
        .endpoints["embeddings"]
        .parse_response(call, response)
    )


def embeddings(*args, **fields):
    made = parse(*args, **fields)
    body = made.body if isinstance(made, Relayed) else made
    assert [item["index"] for item in body["data"]] == list(range(len(body["data"])))
    return [item["embedding"] for item in body["data"]]


class TestFormat:
    def test_numbers_become_base64(self):
        answer = vectors([0.5, -1], [2.0, 3.0])
        made = parse(answer, ["a", "b"], encoding_format="base64")
        assert made["usage"] == answer["usage"]
        assert [item["embedding"] for item in made["data"]] == [base64(0.5, -1), base64(2, 3)]

    @pytest.mark.parametrize("asked", [{}, {"encoding_format": None}, {"encoding_format": "float"}])
    def test_base64_becomes_numbers(self, asked):
        assert embeddings(vectors(base64(0.5, -1.0)), **asked) == [[0.5, -1.0]]

    @pytest.mark.parametrize(
        ("fields", "embedding"),
        [({}, [0.5, 1]), ({"encoding_format": "base64"}, base64(0.5, 1, 2))],
    )
    def test_what_was_asked_for_is_relayed(self, fields, embedding):
        answer = vectors(embedding)
        made = parse(answer, **fields)
        assert isinstance(made, Relayed)
        assert made.raw == orjson.dumps(answer)


class TestOrder:
    def test_is_that_of_the_inputs(self):
        answer = vectors([1], [2], [3])
        answer["data"].reverse()
        assert embeddings(answer, ["a", "b", "c"]) == [[1], [2], [3]]

    def test_a_vendor_without_indices_keeps_it(self):
        answer = {"data": [{"embedding": [1]}, {"embedding": [2]}]}
        assert isinstance(parse(answer, ["a", "b"]), Relayed)

    @pytest.mark.parametrize("indices", [(0, 0), (1, 2), (0, None), ("0", "1"), (0, [1])])
    def test_indices_that_fit_no_input(self, indices):
        data = [{"embedding": [1], "index": index} for index in indices]
        with pytest.raises(ProviderError, match="indices"):
            parse({"data": data}, ["a", "b"])


@pytest.mark.parametrize(
    ("value", "number"),
    [("a", 1), (["a"], 1), (["a", "b"], 2), ([1, 2, 3], 1), ([[1, 2], [3]], 2)],
)
def test_there_is_a_vector_for_each_input(value, number):
    assert len(embeddings(vectors(*[[1.0]] * number), value)) == number
    for wrong in (number - 1, number + 1):
        with pytest.raises(ProviderError) as caught:
            parse(vectors(*[[1.0]] * wrong), value)
        assert (caught.value.status, caught.value.retryable) == (502, True)


@pytest.mark.parametrize(
    "embedding",
    [None, [], [None], [0.5, None], ["x"], [[1]], {}, {"a": 1}, 5, "", "abc", "AAAA", "!" * 7],
)
@pytest.mark.parametrize("fields", [{}, {"encoding_format": "base64"}])
def test_what_is_no_vector(embedding, fields):
    with pytest.raises(ProviderError, match="'it'") as caught:
        parse(vectors(embedding), **fields)
    assert (caught.value.status, caught.value.retryable) == (502, True)


@pytest.mark.parametrize("data", [{"a": 1}, "x", [5], [None], [[]]])
def test_what_is_no_list_of_vectors(data):
    with pytest.raises(ProviderError):
        parse({"data": data})


@pytest.mark.parametrize("embedding", [[1, 2, 3, 4], base64(1, 2, 3, 4)])
@pytest.mark.parametrize("encoding_format", ["float", "base64"])
def test_dimensions_are_those_asked_for(embedding, encoding_format):
    answer = vectors(embedding)
    assert embeddings(answer, dimensions=4, encoding_format=encoding_format)
    with pytest.raises(ProviderError, match="length"):
        parse(answer, dimensions=2, encoding_format=encoding_format)


def test_mistral_has_another_name_for_them():
    body = {"model": "e", "input": "a", "dimensions": 2, "encoding_format": None}
    call = Call("id", "embeddings", "e", body, orjson.dumps(body), False)
    provider = register_providers()["mistral"]("it", {"api_key": "k"})
    made = json.loads(provider.endpoints["embeddings"].build_request(call).body)
    assert made == {"model": "e", "input": "a", "output_dimension": 2}
