"""Reranking: requests and responses of vendors, which differ in it."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import ClassVar

import orjson
import pytest

from tornado_router.provider import Call, ProviderError, Relayed, UpstreamResponse
from tornado_router.testing import ProviderConformance
from tornado_router_openai import OpenAI
from tornado_router_openai.presets import PRESETS


def provider(self):
    return PRESETS["jina"]("jina", {"api_key": "jina_canary-0123456789"})


class Reranker(OpenAI):
    """A copy of the API that has nothing else."""

    capabilities: ClassVar[Mapping[str, Collection[str]]] = {"rerank": ()}


class TestReranker(ProviderConformance):
    """By the kit, on the responses of several vendors."""

    recordings = Path(__file__).parent / "rerank_recordings"

    @pytest.fixture
    def provider(self):
        return Reranker("it", {"api_key": "jina_canary-0123", "base_url": "https://api.jina.ai/v1"})


JINA = OpenAI("jina", {"api_key": "k", "base_url": "https://api.jina.ai/v1"}).endpoints["rerank"]


def cohere(**options):
    return PRESETS["cohere"]("it", {"api_key": "k", **options}).endpoints["rerank"]


def call(*documents, **fields):
    body = {"model": "m", "query": "q", "documents": list(documents or ("a", "b")), **fields}
    return Call("id", "rerank", "m", body, orjson.dumps(body), stream=False)


def parse(answer, *documents, **fields):
    response = UpstreamResponse(200, {}, orjson.dumps(answer))
    return JINA.parse_response(call(*documents, **fields), response)


RESULT = {"index": 1, "relevance_score": 0.5}


def test_cohere_has_it_elsewhere_and_takes_texts_alone():
    asked = call({"text": "a", "title": "x"}, "b", return_documents=True)
    made = cohere().build_request(asked)
    assert made.url == "https://api.cohere.com/v2/rerank"
    assert orjson.loads(made.body) == {"model": "m", "query": "q", "documents": ["a", "b"]}


def test_a_proxy_in_front_of_cohere_has_it_below_its_address():
    made = cohere(base_url="https://llm.corp.example/v1").build_request(call())
    assert made.url == "https://llm.corp.example/v1/rerank"


def test_others_get_the_very_bytes():
    asked = call({"text": "a"}, return_documents=True)
    made = JINA.build_request(asked)
    assert (made.url, made.body) == ("https://api.jina.ai/v1/rerank", asked.raw)


def test_results_go_out_as_they_came():
    made = parse({"results": [RESULT]})
    assert isinstance(made, Relayed)


def test_results_by_another_name():
    made = parse({"data": [RESULT], "usage": {"total_tokens": 5}})
    assert made == {"results": [RESULT], "usage": {"total_tokens": 5}}


def test_documents_that_are_wanted_and_missing_are_put_in():
    made = parse(
        {"results": [RESULT, {**RESULT, "index": 0}]}, "a", {"x": 1}, return_documents=True
    )
    assert [item["document"] for item in made["results"]] == [{"x": 1}, {"text": "a"}]


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"results": []},
        {"results": "x"},
        {"results": ["x"]},
        {"results": [{"index": 2}]},
        {"results": [{"index": True}]},
        {"error": {"message": "No."}},
    ],
)
def test_what_is_no_order_is_the_vendors_fault(answer):
    with pytest.raises(ProviderError):
        parse(answer)


def test_openai_itself_has_none_but_a_copy_of_its_api_may():
    assert not OpenAI("it", {"api_key": "k"}).supports("rerank")
    assert OpenAI("it", {"base_url": "https://api.example/v1"}).supports("rerank")


def test_cohere_is_probed_where_its_models_are():
    probe = PRESETS["cohere"]("it", {"api_key": "k"}).probe()
    assert probe.url == "https://api.cohere.com/v1/models"
