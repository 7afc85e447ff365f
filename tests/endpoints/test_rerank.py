"""Reranking: what it comes to."""

import orjson
import pytest

from tornado_router.endpoints import RERANK
from tornado_router.endpoints.rerank import read_rerank_usage, searches
from tornado_router.errors import ProviderError
from tornado_router.provider import Relayed
from tornado_router.usage import Amounts, Usage

RESULTS = [{"index": 0, "relevance_score": 0.5}]


def call(**fields):
    body = {"model": "m", "query": "x" * 8, "documents": ["x" * 40, {"text": "x" * 40}], **fields}
    return RERANK.read("r1", body, orjson.dumps(body))


@pytest.mark.parametrize(
    ("documents", "count"),
    [
        (["x"], 1),
        (["x"] * 100, 1),
        (["x"] * 101, 2),
        (["x" * 4 * 500] * 50, 1),  # each counts twice, as the query is with it
        (["x" * 4 * 500] * 51, 2),
    ],
)
def test_a_search_has_a_hundred_documents_and_a_long_one_counts_as_several(documents, count):
    assert searches({"query": "x", "documents": documents}) == count


def test_what_it_may_cost_shows_before():
    asked = RERANK.ask(call())
    assert (asked.prompt(), asked.output()) == ((22, 0), (0, 0))
    assert asked.amounts(0) == Amounts(searches=1)


@pytest.mark.parametrize(
    ("body", "usage"),
    [
        ({"meta": {"billed_units": {"search_units": 2}}}, Usage(searches=2)),
        (
            {"meta": {"billed_units": {"search_units": 1}, "tokens": {"input_tokens": 9}}},
            Usage(9, searches=1),
        ),
        ({"usage": {"total_tokens": 58}}, Usage(58)),
        ({"usage": {"prompt_tokens": 50, "total_tokens": 58}}, Usage(50)),
        ({"usage": {}}, None),
        ({"meta": {"billed_units": {"search_units": -1}}}, None),
        ({"meta": "x", "usage": 5}, None),
        ({}, None),
    ],
)
def test_usage_as_vendors_report_it(body, usage):
    assert read_rerank_usage(body) == usage


def test_a_response_goes_out_as_it_came():
    raw = orjson.dumps({"results": RESULTS})
    encoded = RERANK.whole(call(), Relayed(orjson.loads(raw), raw), "asked")
    assert encoded.data == raw
    assert encoded.usage == Usage(22, searches=1, estimated=True)


def test_the_model_is_named_as_it_was_asked_for():
    encoded = RERANK.whole(call(), {"model": "vendors", "results": RESULTS}, "asked")
    assert orjson.loads(encoded.data)["model"] == "asked"


@pytest.mark.parametrize("nonsense", [{}, {"results": []}, {"results": "x"}, []])
def test_what_has_no_results_is_none(nonsense):
    with pytest.raises(ProviderError):
        RERANK.whole(call(), nonsense)
